//! Chat templates: rendered as transformers renders them, and kept in their box.

use cloister_model::{ChatTemplate, Message};

use super::{error, peer_json, real_base};

/// ChatML, as SmolLM2 and Qwen use it, without a default system message.
pub(crate) const CHATML: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

pub(crate) fn message<'a>(role: &'a str, content: &'a str) -> Message<'a> {
    Message { role, content }
}

fn compile(source: &str) -> ChatTemplate {
    ChatTemplate::new(source, None, Some("</s>")).unwrap()
}

fn conversation() -> [Message<'static>; 3] {
    [message("system", "S é <b>"), message("user", " hi \n"), message("assistant", " yo ")]
}

/// Every expectation was printed by transformers 5.23 (`render_jinja_template`) for the same template.
#[test]
fn renderings_agree_with_transformers() {
    let cases = [
        (
            "{% for m in messages %}{{ m | tojson }}\n{% endfor %}{{ messages[:1] | tojson(indent=2) }}{{ {'b': 1, 'a': [true, none, 1.5, {}], 'c': []} | tojson }}",
            "{\"role\": \"system\", \"content\": \"S é <b>\"}\n{\"role\": \"user\", \"content\": \" hi \\n\"}\n{\"role\": \"assistant\", \"content\": \" yo \"}\n[\n  {\n    \"role\": \"system\",\n    \"content\": \"S é <b>\"\n  }\n]{\"b\": 1, \"a\": [true, null, 1.5, {}], \"c\": []}",
        ),
        (
            "{%- for m in messages %}\n  {%- if m.role == 'user' %}\n    [{{ m.content.strip() }}]\n  {%- else %}\n    {{ m['content'] | trim }}!\n  {% endif %}\n{%- endfor %}\n",
            "    S é <b>!\n    [hi]    yo!\n",
        ),
        (
            "{{ messages[-1].content.split('o')[0] }}|{{ messages|length }}|{{ none }}|{{ true }}|{% for m in messages %}{% if loop.index0 == 1 %}{% continue %}{% endif %}{{ loop.index }}{{ m.get('tool_calls') }}{% endfor %}|{% set ns = namespace(x=0, y='%}') %}{% for m in messages %}{%- set ns.x = ns.x + m.content|length -%}{% endfor %}{{ ns.x }}|{{ 'tool_calls' in messages[0] }}|{{ tools is none }}|{{ messages[1:]|length }}|{{ messages[0].content.startswith('S') }}|{{ bos_token is defined }}|{{ messages[0] is mapping }}|{{ messages|map(attribute='role')|join(',') }}|{{ messages[::-1][0].role }}|{{ messages|selectattr('role','equalto','user')|list|length }}|{{ 7 // 2 }} {{ 7 / 2 }}|{{ \"it's\" | tojson }}",
            " y|3|None|True|1None3None|16|False|True|2|True|False|True|system,user,assistant|assistant|1|3 3.5|\"it's\"",
        ),
        (
            "{% for m in messages %}{% if m.role=='assistant' %}A:{% generation %}{{ m.content }}<e>{% endgeneration %}\n{% else %}U:{{ m.content }}\n{% endif %}{% endfor %}",
            "U:S é <b>\nU: hi \n\nA: yo <e>",
        ),
    ];
    for (source, expected) in cases {
        assert_eq!(compile(source).render(&conversation(), false).unwrap(), expected);
    }
}

#[test]
fn a_template_may_refuse_and_its_own_words_are_shown() {
    let template = compile("{{ raise_exception('roles must alternate') }}");
    let message = error(template.render(&conversation(), false)).to_string();
    assert!(message.contains("roles must alternate"), "{message}");
}

#[test]
fn words_of_a_record_never_reach_an_error() {
    let sources = [
        "{{ raise_exception('no ' ~ messages[0].content) }}",
        "{{ messages[0].content.nonsense() }}",
        "{{ messages[0].content | int }}",
        "{{ messages[0].content + 1 }}",
        "{{ {}[messages[0].content].x.y }}",
        "{% include messages[0].content %}",
        "{{ messages[0][messages[0].content].z }}",
        "{{ strftime_now(messages) }}",
        "{{ messages[0].content.foo.bar }}",
        "{{ messages | groupby(messages[0].content) }}{{ messages[0].content|list|map(messages[0].content)|list }}",
    ];
    for source in sources {
        let result = compile(source).render(&[message("user", "CANARY")], false);
        if let Err(error) = result {
            let (shown, debugged) = (error.to_string(), format!("{error:?}"));
            assert!(!shown.contains("CANARY") && !debugged.contains("CANARY"), "{source}: {shown}");
        }
    }
}

#[test]
fn a_hostile_template_is_stopped() {
    let hostile = [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}{{ messages[0].content * 1000 }}{% endfor %}",
        "{{ 'x' * 1000000000000 }}",
        "{% set ns = namespace(x='x') %}{% for a in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x|length }}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace() %}{% set r = range(99000) %}{% for i in range(99000) %}{% set ns.a = r %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
        "{% set ns = namespace() %}{% set ns.a = [1, {'x': ns}] %}{{ ns == ns.a }}",
        "{% set ns = namespace() %}{% set a = namespace(b=ns) %}{{ a }}",
        "{% set ns = namespace() %}{{ ns.set_namespace_attribute('a', ns) }}{{ ns }}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% include 'chat' %}",
        "{% include '/etc/passwd' %}",
        "{% extends 'chat' %}",
        "{% import 'os' as os %}{{ os }}",
        "{{ messages.__class__.__mro__[1] }}",
    ];
    // Nested as deep as a template is long, and deeper by recursion.
    let nested = format!("{}x{}", "[".repeat(60), "]".repeat(60));
    let deep = format!("{{% set x = 1 %}}{}", format!("{{%set x={nested}%}}").repeat(900));
    let compared = format!("{deep}{{{{ x == [x] }}}}{{{{ [x, [x]] | sort }}}}{{{{ x | nothing }}}}");
    let recursive = format!("{{% macro f(x) %}}{}{{{{ f(x) }}}}{{% endmacro %}}{{{{ f(1) }}}}", &deep[15..]);
    assert!(ChatTemplate::new(&format!("{deep}{{{{ x }}}}"), None, None).unwrap().render(&[], false).is_ok());
    let hostile = hostile.into_iter().chain([compared.as_str(), recursive.as_str()]);
    for source in hostile {
        let started = std::time::Instant::now();
        let result = ChatTemplate::new(source, None, None).and_then(|t| t.render(&conversation(), false));
        assert!(result.is_err(), "{source}");
        assert!(started.elapsed().as_secs() < 20, "{source}");
    }
    assert!(ChatTemplate::new("{% for %}", None, None).is_err());
    assert!(ChatTemplate::new(&" ".repeat(200 << 10), None, None).is_err());
}

#[test]
fn a_long_conversation_is_not_taken_for_an_attack() {
    let content = "word ".repeat(2000);
    let turns: Vec<Message<'_>> =
        (0..2000).map(|turn| message(if turn % 2 == 0 { "user" } else { "assistant" }, &content)).collect();
    assert!(compile(CHATML).render(&turns, false).unwrap().len() > 2000 * content.len());
}

#[test]
fn special_tokens_are_there_when_the_model_has_them() {
    let template =
        ChatTemplate::new("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}", Some("<s>"), Some("</s>"));
    assert_eq!(template.unwrap().render(&[message("user", "x")], false).unwrap(), "<s>x</s>");
}

#[test]
fn the_real_template_agrees_with_its_peer() {
    let fixture = peer_json("chat_template.json");
    let source = fixture["template"].as_str().unwrap();
    if let Some((base, _)) = real_base() {
        let template = base.template.unwrap();
        assert_eq!(template.source(), source);
        assert_eq!(template.sha256().len(), 64);
    }
    let template = ChatTemplate::new(source, Some("<|im_start|>"), Some("<|im_end|>")).unwrap();
    for case in fixture["cases"].as_array().unwrap() {
        let turns: Vec<Message<'_>> = case["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|turn| message(turn["role"].as_str().unwrap(), turn["content"].as_str().unwrap()))
            .collect();
        assert_eq!(template.render(&turns, false).unwrap(), case["text"].as_str().unwrap());
        let prompted = case["text_with_generation_prompt"].as_str().unwrap();
        assert_eq!(template.render(&turns, true).unwrap(), prompted);
    }
}
