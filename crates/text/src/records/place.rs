//! Where a string stands in a record, as a chain of steps that strings share.
//!
//! A pointer is spelled out only for what is reported: spelled for every string of a line, long names of members would
//! cost the product of both.

use std::fmt;
use std::rc::Rc;

/// A place in a record. Shown as a JSON pointer (RFC 6901).
#[derive(Clone)]
pub struct Place<'a>(Rc<Step<'a>>);

struct Step<'a> {
    parent: Option<Place<'a>>,
    token: Token<'a>,
}

enum Token<'a> {
    Member(&'a str),
    Item(usize),
}

impl<'a> Place<'a> {
    pub(super) fn column(name: &'a str) -> Self {
        Self(Rc::new(Step { parent: None, token: Token::Member(name) }))
    }

    pub(super) fn member(&self, name: &'a str) -> Self {
        Self(Rc::new(Step { parent: Some(self.clone()), token: Token::Member(name) }))
    }

    pub(super) fn item(&self, index: usize) -> Self {
        Self(Rc::new(Step { parent: Some(self.clone()), token: Token::Item(index) }))
    }

    /// The name of the innermost member in which the place lies: of the items of a list, that of the list.
    pub(super) fn name(&self) -> &'a str {
        match (&self.0.token, &self.0.parent) {
            (Token::Member(name), _) => name,
            (Token::Item(_), Some(parent)) => parent.name(),
            (Token::Item(_), None) => "", // a record is an object: its own members have names
        }
    }

    /// The column, a member of the record itself, in which the place lies, and whether the place is the whole of it.
    #[must_use]
    pub fn top(&self) -> (&'a str, bool) {
        let mut step = &self.0;
        while let Some(parent) = &step.parent {
            step = &parent.0;
        }
        let name = match step.token {
            Token::Member(name) => name,
            Token::Item(_) => "", // a record is an object: its own members have names
        };
        (name, self.0.parent.is_none())
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = &self.0.parent {
            parent.fmt(formatter)?;
        }
        match self.0.token {
            Token::Member(name) => write!(formatter, "/{}", name.replace('~', "~0").replace('/', "~1")),
            Token::Item(index) => write!(formatter, "/{index}"),
        }
    }
}
