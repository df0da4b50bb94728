//! Chat templates: Jinja programs that come with a model and turn a conversation into text.
//!
//! The environment behaves as that of `transformers` (`utils/chat_template_utils.py`): trimmed and left-stripped
//! blocks, loop controls, Python's methods on strings and maps, `raise_exception`, `strftime_now`, its `tojson`.
//!
//! Invariants: a template is untrusted. It sees the messages and nothing else: no loader, no files, no
//! environment, bounded steps, memory, recursion and output. Its errors carry line numbers and words of the
//! template, never of a message.

mod dialect;
mod functions;

use std::io;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, Value, context};
use sha2::{Digest, Sha256};

use crate::base::hex;
use crate::error::{Error, Result};

const NAME: &str = "chat";
const LONGEST_TEMPLATE_BYTES: usize = 128 << 10;
const RECURSION_LIMIT: usize = 64;
/// Steps that any template may take, further ones per byte of the messages, and the most. A step also pays for
/// 64 bytes.
const STEPS: u64 = 200_000;
const STEPS_PER_BYTE: u64 = 4;
const MOST_STEPS: u64 = 2_000_000;
/// The engine recurses over nested values, and a step can nest one deeper: on a common stack a hostile template
/// could end the process. So it runs on a stack that fits its steps (the engine was measured to take up to 420
/// bytes a level); only what is used of it takes memory.
const STACK_BYTES_PER_STEP: u64 = 512;
/// Templates up to this length that have no way to repeat an assignment nest less than any stack holds.
const SMALL_TEMPLATE_BYTES: usize = 8 << 10;

/// Output that any template may write, and how much more for each byte of the messages.
const OUTPUT_BYTES: usize = 1 << 20;
const OUTPUT_PER_BYTE: usize = 4;

/// One turn of a conversation.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// "system", "user", "assistant" or another role that the template knows.
    pub role: &'a str,
    /// What was said.
    pub content: &'a str,
}

/// A compiled chat template.
pub struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
    nests_little: bool,
    bos: Option<String>,
    eos: Option<String>,
}

impl ChatTemplate {
    /// Compiles a template; `bos` and `eos` are the texts of the special tokens that it may name.
    ///
    /// # Errors
    /// [`Error::Template`] if it is too long or not a template.
    pub fn new(source: &str, bos: Option<&str>, eos: Option<&str>) -> Result<Self> {
        if source.len() > LONGEST_TEMPLATE_BYTES {
            return Err(Error::Template(format!("is longer than {LONGEST_TEMPLATE_BYTES} bytes")));
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| withheld(&error, source))?);
        environment.set_debug(false);
        environment.set_recursion_limit(RECURSION_LIMIT);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_formatter(format_as_python);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        // These print state, or indent nested values without end.
        environment.remove_global("debug");
        environment.remove_filter("pprint");
        environment.add_function("namespace", functions::namespace);
        environment.add_filter("tojson", functions::to_json);
        environment.add_function("raise_exception", |text: String| -> std::result::Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, text))
        });
        // Taken once, so that all renderings of one run agree.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        environment.add_function("strftime_now", move |format: &str| functions::strftime(format, now));
        let program = dialect::translate(source);
        environment.add_template_owned(NAME, program).map_err(|error| withheld(&error, source))?;
        Ok(Self {
            source: source.to_owned(),
            environment,
            nests_little: nests_little(source),
            bos: bos.map(str::to_owned),
            eos: eos.map(str::to_owned),
        })
    }

    /// The text of a conversation. With `add_generation_prompt` it ends where an assistant's answer would begin.
    ///
    /// # Errors
    /// [`Error::Template`] if the template refuses the conversation, fails or exceeds a limit.
    pub fn render(&self, messages: &[Message<'_>], add_generation_prompt: bool) -> Result<String> {
        let size: usize = messages.iter().map(|message| message.role.len() + message.content.len()).sum();
        let conversation: Vec<Value> = messages
            .iter()
            .map(|message| Value::from_pairs([("role", message.role), ("content", message.content)]))
            .collect();
        let context = context! {
            messages => conversation,
            tools => Value::from(()),
            documents => Value::from(()),
            add_generation_prompt => add_generation_prompt,
            bos_token => self.bos.as_deref().map_or(Value::UNDEFINED, Value::from),
            eos_token => self.eos.as_deref().map_or(Value::UNDEFINED, Value::from),
        };
        let steps = STEPS.saturating_add(STEPS_PER_BYTE.saturating_mul(size as u64)).min(MOST_STEPS);
        let limit = OUTPUT_BYTES + OUTPUT_PER_BYTE.saturating_mul(size);
        if self.nests_little {
            return self.run(context, steps, limit);
        }
        let thread = thread::Builder::new().stack_size((steps * STACK_BYTES_PER_STEP) as usize);
        thread::scope(|scope| {
            let spawned = thread.spawn_scoped(scope, move || self.run(context, steps, limit));
            let thread = spawned.map_err(|_| Error::Template("cannot get a stack to run on".into()))?;
            thread.join().unwrap_or_else(|_| Err(Error::Template("failed".into())))
        })
    }

    fn run(&self, context: Value, steps: u64, limit: usize) -> Result<String> {
        // Fuel belongs to an environment, which is cheap to clone: templates are shared.
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(steps));
        let mut output = Limited { bytes: Vec::new(), limit };
        environment
            .get_template(NAME)
            .and_then(|template| template.render_captured_to(context, &mut output).map(drop))
            .map_err(|error| withheld(&error, &self.source))?;
        String::from_utf8(output.bytes).map_err(|_| Error::Template("did not write UTF-8".into()))
    }

    /// The template as the model brought it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// SHA-256 of [`ChatTemplate::source`], in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.source.as_bytes()))
    }
}

/// Whether a template is small and has no statement that carries a value from one step to the next.
fn nests_little(source: &str) -> bool {
    let carriers = ["set", "macro", "recursive", "call", "with", "namespace"];
    source.len() <= SMALL_TEMPLATE_BYTES && !carriers.iter().any(|word| source.contains(word))
}

/// What may be said of a failure: its kind and line, and its words if they stand in the template itself.
fn withheld(error: &minijinja::Error, source: &str) -> Error {
    let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    let detail = match error.detail() {
        Some(detail) if error.kind() == ErrorKind::SyntaxError || source.contains(detail) => format!(": {detail}"),
        _ => String::new(),
    };
    Error::Template(format!("{}{line}{detail}", error.kind()))
}

struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            return Err(io::Error::other("output limit"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn format_as_python(
    output: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> std::result::Result<(), minijinja::Error> {
    let word = match value.kind() {
        ValueKind::None => "None",
        ValueKind::Bool if value.is_true() => "True",
        ValueKind::Bool => "False",
        _ => return minijinja::escape_formatter(output, state, value),
    };
    output.write_str(word).map_err(minijinja::Error::from)
}
