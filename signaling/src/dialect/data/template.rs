//! One message as a dialect file writes it: JSON in which a text that begins with `$` is a name.
//!
//! Owns reading a message by it and writing one from it. What names mean is in [`super::names`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::names;

/// What a message bound: the value that stood where a name is.
pub(super) type Bound<'t, 'v> = BTreeMap<&'t str, &'v Value>;

/// The shape of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    root: Node,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Literal(Value),
    Name(String),
    Anything,
    List(Vec<Self>),
    Object(Vec<Field>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    key: String,
    /// May be absent or null in what is read, and is left out of what is written where there is no value.
    optional: bool,
    node: Node,
}

/// A text that is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not JSON.
    #[error("the message is not JSON: {0}; write it as '{{\"op\":\"join\",\"room\":\"$room\"}}'")]
    Json(String),
    /// A `$` without a name.
    #[error(
        "{text:?} is no name; a name is $ with letters, digits, _, - and dots, such as $token, and a text that begins \
         with $ is written with two"
    )]
    Name {
        /// What stands there.
        text: String,
    },
    /// One field with and without its question mark.
    #[error("the message has {key:?} with and without a question mark; leave one of the two out")]
    Twice {
        /// The field.
        key: String,
    },
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, TemplateError> {
        let value = serde_json::from_str(&text).map_err(|error| TemplateError::Json(error.to_string()))?;
        let root = node(value)?;
        Ok(Self { text, root })
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text
    }
}

fn node(value: Value) -> Result<Node, TemplateError> {
    Ok(match value {
        Value::String(text) => match text.strip_prefix('$') {
            None => Node::Literal(Value::String(text)),
            Some(literal) if literal.starts_with('$') => Node::Literal(Value::from(literal)),
            Some("_") => Node::Anything,
            Some(name) if is_name(name) => Node::Name(name.to_owned()),
            Some(_) => return Err(TemplateError::Name { text }),
        },
        Value::Array(items) => Node::List(items.into_iter().map(node).collect::<Result<_, _>>()?),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| {
                let optional = key.strip_suffix('?').map(str::to_owned);
                Ok(Field {
                    optional: optional.is_some(),
                    key: optional.unwrap_or(key),
                    node: node(value)?,
                })
            });
            let fields: Vec<Field> = fields.collect::<Result<_, _>>()?;
            let mut keys = BTreeSet::new();
            if let Some(twice) = fields.iter().find(|field| !keys.insert(field.key.as_str())) {
                let key = twice.key.clone();
                return Err(TemplateError::Twice { key });
            }
            Node::Object(fields)
        }
        literal => Node::Literal(literal),
    })
}

fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    !name.is_empty() && name.chars().all(fits)
}

impl Template {
    /// The names in it.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.root.names(&mut found);
        found
    }

    /// Whether a name is in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names().contains(&name)
    }

    /// Reads a message: what its names stand for, or nothing where it has another shape. A name that `fixed` knows
    /// stands for that value and no other.
    pub(super) fn read<'t, 'v>(
        &'t self,
        message: &'v Value,
        fixed: &impl Fn(&str) -> Option<Value>,
    ) -> Option<Bound<'t, 'v>> {
        let mut bound = Bound::new();
        self.root.read(message, fixed, &mut bound).then_some(bound)
    }

    /// Writes a message with what is known.
    ///
    /// # Errors
    /// The name that nothing is known of.
    pub(super) fn fill(&self, known: &impl Fn(&str) -> Option<Value>) -> Result<Value, String> {
        self.root.fill(known).map_err(str::to_owned)
    }
}

impl Node {
    fn names<'t>(&'t self, found: &mut Vec<&'t str>) {
        match self {
            Self::Name(name) => found.push(name),
            Self::List(items) => items.iter().for_each(|item| item.names(found)),
            Self::Object(fields) => fields.iter().for_each(|field| field.node.names(found)),
            Self::Literal(_) | Self::Anything => {}
        }
    }

    fn read<'t, 'v>(
        &'t self,
        value: &'v Value,
        fixed: &impl Fn(&str) -> Option<Value>,
        bound: &mut Bound<'t, 'v>,
    ) -> bool {
        match self {
            Self::Anything => true,
            Self::Literal(literal) => literal == value,
            Self::Name(name) => {
                let fits = names::accepts(name, value)
                    && fixed(name).is_none_or(|fixed| fixed == *value)
                    && bound.get(name.as_str()).is_none_or(|known| *known == value);
                if fits {
                    bound.insert(name, value);
                }
                fits
            }
            // What comes after the items that are named is ignored, as fields are that are not named.
            Self::List(items) => value.as_array().is_some_and(|values| {
                values.len() >= items.len()
                    && items
                        .iter()
                        .zip(values)
                        .all(|(item, value)| item.read(value, fixed, bound))
            }),
            Self::Object(fields) => value.as_object().is_some_and(|values| {
                fields.iter().all(|field| match values.get(&field.key) {
                    None | Some(Value::Null) if field.optional => true,
                    None => false,
                    Some(value) => field.node.read(value, fixed, bound),
                })
            }),
        }
    }

    fn fill<'t>(&'t self, known: &impl Fn(&str) -> Option<Value>) -> Result<Value, &'t str> {
        Ok(match self {
            Self::Anything => Value::Null,
            Self::Literal(literal) => literal.clone(),
            Self::Name(name) => known(name).ok_or(name.as_str())?,
            Self::List(items) => Value::Array(
                items
                    .iter()
                    .map(|item| item.fill(known))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Object(fields) => {
                let mut written = Map::new();
                for field in fields {
                    match field.node.fill(known) {
                        Ok(Value::Null) | Err(_) if field.optional => {}
                        filled => {
                            written.insert(field.key.clone(), filled?);
                        }
                    }
                }
                Value::Object(written)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(text: &str) -> Template {
        Template::try_from(text.to_owned()).unwrap()
    }

    fn fixed(name: &str) -> Option<Value> {
        (name == "me").then(|| json!("v1"))
    }

    #[track_caller]
    fn check(text: &str, message: &Value, expect: Option<&Value>) {
        let template = template(text);
        let bound = template.read(message, &fixed).map(|bound| json!(bound));
        assert_eq!(bound.as_ref(), expect, "{text} on {message}");
    }

    #[test]
    fn literals_are_equal_names_bind_and_what_is_not_named_is_ignored() {
        let message = json!({"op": "ice", "n": [1, "two", 3], "more": {"a": null}});
        check(r#"{"op":"ice"}"#, &message, Some(&json!({})));
        check(r#"{"op":"sdp"}"#, &message, None);
        check(r#"{"n":[1,"$x"]}"#, &message, Some(&json!({"x": "two"})));
        check(r#"{"n":[1,"two",3,"$x"]}"#, &message, None);
        check(r#"{"more":{"a":"$x"}}"#, &message, Some(&json!({"x": null})));
        check(r#"{"absent":"$_"}"#, &message, None);
        check(r#"{"op":"$_"}"#, &message, Some(&json!({})));
        check(r#""$x""#, &json!("hello"), Some(&json!({"x": "hello"})));
        check(r#"["$x","$x"]"#, &json!([1, 1]), Some(&json!({"x": 1})));
        check(r#"["$x","$x"]"#, &json!([1, 2]), None);
        check(r#"["$$x"]"#, &json!(["$x"]), Some(&json!({})));
    }

    #[test]
    fn a_field_with_a_question_mark_may_be_absent_or_null_and_fits_where_it_is_there() {
        let text = r#"{"op":"a","seq?":"$seq"}"#;
        check(text, &json!({"op": "a"}), Some(&json!({})));
        check(text, &json!({"op": "a", "seq": null}), Some(&json!({})));
        check(text, &json!({"op": "a", "seq": 7}), Some(&json!({"seq": 7})));
        check(text, &json!({"op": "a", "seq": "seven"}), None);
    }

    #[test]
    fn a_name_that_is_known_for_good_stands_for_that_and_nothing_else() {
        check(
            r#"{"id":"$me"}"#,
            &json!({"id": "v1"}),
            Some(&json!({"me": "v1"})),
        );
        check(r#"{"id":"$me"}"#, &json!({"id": "v2"}), None);
    }

    #[test]
    fn what_is_written_has_values_as_they_are_and_leaves_out_what_is_unknown_and_optional() {
        let known = |name: &str| match name {
            "to" => Some(json!(7)),
            "mid" => Some(Value::Null),
            _ => None,
        };
        let fill = |text: &str| template(text).fill(&known);
        assert_eq!(
            fill(r#"{"to":"$to","mid":"$mid","l":["$$"]}"#),
            Ok(json!({"to": 7, "mid": null, "l": ["$"]}))
        );
        assert_eq!(fill(r#"{"mid?":"$mid","x?":"$x"}"#), Ok(json!({})));
        assert_eq!(fill(r#"{"a":{"x":"$token"}}"#), Err("token".to_owned()));
    }

    #[test]
    fn what_is_no_template_is_refused_with_what_would_be_right() {
        for (text, expect) in [
            ("", "not JSON"),
            ("{op:1}", "not JSON"),
            (r#"{"a":"$"}"#, "is no name"),
            (r#"{"a":"$a b"}"#, "is no name"),
            (r#"{"a":1,"a?":1}"#, "leave one of the two out"),
        ] {
            let error = Template::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}
