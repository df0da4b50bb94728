//! A chat template taken apart into the texts that stand around each role's words, where it is that simple.
//!
//! Most templates put fixed text before and after what was said. What these texts are is not read off the program: the
//! template is rendered for short conversations of marked words, the texts are cut out between the marks, and other
//! conversations must then come out equal. A template that is not that simple has no [`Turns`].

use crate::chat::{ChatTemplate, Message};

/// Fixed texts around the words of each role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turns {
    /// Before the first message, if no message is the system's: often a default system message.
    pub(crate) opening: String,
    /// Before and after a system message.
    pub(crate) system: (String, String),
    /// Before and after a user's message.
    pub(crate) user: (String, String),
    /// Before and after an assistant's message.
    pub(crate) assistant: (String, String),
    /// Where the next answer begins.
    pub(crate) prompt: String,
}

/// Words that no template contains; each stands for what one person said.
const WORDS: [&str; 4] = ["zqxone", "zqxtwo", "zqxthree", "zqxfour"];

impl Turns {
    /// The texts of a template; `None` if it is not that simple, refuses a system message, or tells the time.
    pub(crate) fn of(template: &ChatTemplate) -> Option<Self> {
        if template.source().contains("strftime_now") {
            return None;
        }
        let render = |roles: &[&str], prompt| template.render(&messages(roles), prompt).ok();
        let [opening_user, after_user] = gaps(&render(&["user"], false)?)?;
        let prompt = render(&["user"], true)?.strip_prefix(&render(&["user"], false)?)?.to_owned();
        let [_, before_assistant, after_assistant] = gaps(&render(&["user", "assistant"], false)?)?;
        let [before_system, between, _] = gaps(&render(&["system", "user"], false)?)?;
        let [_, _, before_second, _] = gaps(&render(&["user", "assistant", "user"], false)?)?;
        let before_user = before_second.strip_prefix(&after_assistant)?.to_owned();
        let turns = Self {
            opening: opening_user.strip_suffix(&before_user)?.to_owned(),
            system: (before_system, between.strip_suffix(&before_user)?.to_owned()),
            assistant: (before_assistant.strip_prefix(&after_user)?.to_owned(), after_assistant),
            user: (before_user, after_user),
            prompt,
        };
        let conversations: [&[&str]; 5] = [
            &["user"],
            &["user", "assistant", "user"],
            &["system", "user"],
            &["system", "user", "assistant", "user"],
            &["user", "assistant", "user", "assistant"],
        ];
        let same = |roles: &&[&str]| {
            [false, true]
                .into_iter()
                .all(|prompt| render(roles, prompt) == Some(turns.render(&messages(roles), prompt)))
        };
        conversations.iter().all(same).then_some(turns)
    }

    fn render(&self, messages: &[Message<'_>], prompt: bool) -> String {
        let has_system = messages.iter().any(|message| message.role == "system");
        let mut text = if has_system { String::new() } else { self.opening.clone() };
        for message in messages {
            let (before, after) = match message.role {
                "system" => &self.system,
                "user" => &self.user,
                _ => &self.assistant,
            };
            text = text + before + message.content + after;
        }
        if prompt { text + &self.prompt } else { text }
    }
}

/// One message per role, each with its own word.
fn messages<'a>(roles: &[&'a str]) -> Vec<Message<'a>> {
    roles.iter().zip(WORDS).map(|(role, content)| Message { role, content }).collect()
}

/// The `N` texts around the first `N - 1` words, if they stand there once each, in order.
fn gaps<const N: usize>(text: &str) -> Option<[String; N]> {
    let mut gaps = Vec::with_capacity(N);
    let mut rest = text;
    for word in &WORDS[..N - 1] {
        let (before, after) = rest.split_once(word)?;
        gaps.push(before.to_owned());
        rest = after;
    }
    gaps.push(rest.to_owned());
    gaps.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn turns(source: &str) -> Option<Turns> {
        Turns::of(&ChatTemplate::new(source, Some("<s>"), Some("</s>")).unwrap())
    }

    #[test]
    fn a_default_system_message_is_told_from_a_users_start() {
        let source = "{% for m in messages %}{% if loop.first and m.role != 'system' %}<system>be kind</>\n{% endif %}<{{ m.role }}>{{ m.content }}</>\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
        let around = |role: &str| (format!("<{role}>"), "</>\n".to_owned());
        let turns = turns(source).unwrap();
        assert_eq!(turns.opening, "<system>be kind</>\n");
        assert_eq!((&turns.system, &turns.user), (&around("system"), &around("user")));
        assert_eq!((&turns.assistant, turns.prompt.as_str()), (&around("assistant"), "<assistant>"));
    }

    #[test]
    fn a_template_that_is_not_that_simple_has_none() {
        for source in [
            "{% for m in messages %}{{ m.content }}{{ loop.index }}{% endfor %}",
            "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.content }}{% endfor %}",
            "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' and not loop.last %}…{% else %}{{ m.content }}{% endif %}{% endfor %}",
            "{{ strftime_now('%Y') }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}",
            "hello",
        ] {
            assert_eq!(turns(source), None, "{source}");
        }
    }
}
