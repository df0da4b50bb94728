//! Record shapes and the names of their columns and roles.
//!
//! Invariant: which shape a record has follows from the names of its top-level fields alone.
//! Source: the data formats of OpenAI chat fine-tuning, TRL (prompt and completion), Stanford Alpaca and ShareGPT.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who speaks in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// The shape of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// `{"messages": [{"role", "content"}]}`.
    Messages,
    /// `{"prompt", "completion"}`.
    PromptCompletion,
    /// `{"instruction", "input", "output"}`, with optional `system` and `history`.
    Alpaca,
    /// `{"conversations": [{"from", "value"}]}`.
    #[serde(rename = "sharegpt")]
    ShareGpt,
    /// `{"text"}`.
    Text,
    /// Any other members. No training reads it; a scan reads every string of it.
    Fields,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Messages => "messages",
            Self::PromptCompletion => "prompt-completion",
            Self::Alpaca => "alpaca",
            Self::ShareGpt => "sharegpt",
            Self::Text => "text",
            Self::Fields => "fields",
        })
    }
}

/// Names of columns and roles; an absent name means the standard one.
///
/// `roles` maps further role names of the data to ours and wins over the standard names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// Identifier of the record; standard `id`.
    pub id: Option<String>,
    /// The person a record is about; standard `subject`, then `user_id`.
    pub subject: Option<String>,
    /// List of chat turns; standard `messages`.
    pub messages: Option<String>,
    /// Role of a chat turn; standard `role`.
    pub role: Option<String>,
    /// Text of a chat turn; standard `content`.
    pub content: Option<String>,
    /// Standard `prompt`.
    pub prompt: Option<String>,
    /// Standard `completion`.
    pub completion: Option<String>,
    /// Standard `instruction`.
    pub instruction: Option<String>,
    /// Standard `input`.
    pub input: Option<String>,
    /// Standard `output`.
    pub output: Option<String>,
    /// Standard `system`.
    pub system: Option<String>,
    /// Earlier rounds as pairs of strings; standard `history`.
    pub history: Option<String>,
    /// List of ShareGPT turns; standard `conversations`.
    pub conversations: Option<String>,
    /// Role of a ShareGPT turn; standard `from`.
    pub from: Option<String>,
    /// Text of a ShareGPT turn; standard `value`.
    pub value: Option<String>,
    /// Standard `text`.
    pub text: Option<String>,
    /// Further role names.
    pub roles: BTreeMap<String, Role>,
}

macro_rules! names {
    ($($method:ident, $field:ident, $standard:literal;)*) => {
        impl Columns {
            $(pub(crate) fn $method(&self) -> &str { self.$field.as_deref().unwrap_or($standard) })*
        }
    };
}
names! {
    id_name, id, "id";
    messages_name, messages, "messages";
    role_name, role, "role";
    content_name, content, "content";
    prompt_name, prompt, "prompt";
    completion_name, completion, "completion";
    instruction_name, instruction, "instruction";
    input_name, input, "input";
    output_name, output, "output";
    system_name, system, "system";
    history_name, history, "history";
    conversations_name, conversations, "conversations";
    sender_name, from, "from";
    value_name, value, "value";
    text_name, text, "text";
}

impl Columns {
    /// The columns that may name the subject, the preferred one first.
    pub(crate) fn subject_names(&self) -> impl Iterator<Item = &str> {
        let own = self.subject.as_deref();
        let standard: &[&str] = if own.is_some() { &[] } else { &["subject", "user_id"] };
        own.into_iter().chain(standard.iter().copied())
    }

    /// The role that a name stands for.
    pub(crate) fn role_of(&self, name: &str) -> Option<Role> {
        if let Some(role) = self.roles.get(name) {
            return Some(*role);
        }
        Some(match name {
            "system" | "developer" => Role::System,
            "user" | "human" => Role::User,
            "assistant" | "gpt" | "model" | "function_call" => Role::Assistant,
            "tool" | "function" | "observation" | "ipython" => Role::Tool,
            _ => return None,
        })
    }

    /// The shape that the fields of a record announce, or nothing.
    pub(crate) fn shape_of(&self, record: &Map<String, Value>) -> Option<Shape> {
        let has = |name: &str| record.contains_key(name);
        if has(self.messages_name()) {
            Some(Shape::Messages)
        } else if has(self.conversations_name()) {
            Some(Shape::ShareGpt)
        } else if has(self.completion_name()) || has(self.prompt_name()) {
            Some(Shape::PromptCompletion)
        } else if has(self.instruction_name()) {
            Some(Shape::Alpaca)
        } else if has(self.text_name()) {
            Some(Shape::Text)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_names_agree_between_display_and_serde() {
        for shape in
            [Shape::Messages, Shape::PromptCompletion, Shape::Alpaca, Shape::ShareGpt, Shape::Text, Shape::Fields]
        {
            assert_eq!(serde_json::json!(shape), serde_json::json!(shape.to_string()));
        }
    }

    #[test]
    fn own_names_replace_standard_ones() {
        let columns = Columns { text: Some("body".into()), ..Columns::default() };
        let record = |key: &str| Map::from_iter([(key.to_owned(), Value::from("x"))]);
        assert_eq!(columns.shape_of(&record("body")), Some(Shape::Text));
        assert_eq!(columns.shape_of(&record("text")), None);
    }

    #[test]
    fn role_map_wins_over_standard_names() {
        let columns = Columns { roles: [("user".to_owned(), Role::Tool)].into(), ..Columns::default() };
        assert_eq!(columns.role_of("user"), Some(Role::Tool));
        assert_eq!(columns.role_of("gpt"), Some(Role::Assistant));
        assert_eq!(columns.role_of("narrator"), None);
    }
}
