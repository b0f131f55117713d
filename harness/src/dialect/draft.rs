//! Drafts a dialect file from a recording: descriptions and candidates are known by their text, ids and tokens by being
//! said again elsewhere, joins by being first.
//!
//! Owns the guesses, and marks each with `# ?`. Pure. Whether the draft holds is for [`super::prove`] to say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};
use thiserror::Error;

use super::recording::{RecordedFrame, Side};

/// Names under which protocols have the type of a message, the likelier first.
const TAGS: [&str; 9] = [
    "type", "op", "event", "action", "cmd", "command", "method", "kind", "t",
];

/// Frames that are looked at; what a session is shows in its beginning.
const MAX_FRAMES: usize = 2_000;

/// A recording that no file can be drafted from.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DraftError {
    /// Nobody offered.
    #[error(
        "no client sent an offer in the recording; record a session in which one client broadcasts and one watches"
    )]
    NoOffer,
    /// Nobody else was there.
    #[error(
        "the recording has one client; who is meant by an id can be told from two, one that broadcasts and one that watches"
    )]
    OneClient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Body {
    Offer,
    Answer,
    Candidate,
    None,
}

struct Message {
    connection: u64,
    from: Side,
    value: Value,
    tag: String,
    body: Body,
}

/// What was found out about a session.
struct Session {
    messages: Vec<Message>,
    tag: String,
    broadcasters: BTreeSet<u64>,
    /// The id of each connection.
    ids: BTreeMap<u64, Value>,
    /// What the server gave a connection and it said again, with the name for it.
    tokens: BTreeMap<String, String>,
    room: Option<Value>,
}

/// Proposes a dialect file; a line with `# ?` is a guess to look at.
///
/// # Errors
///
/// [`DraftError`] where the session shows too little.
pub fn draft(name: &str, frames: &[RecordedFrame]) -> Result<String, DraftError> {
    let session = Session::of(frames)?;
    Ok(session.write(name))
}

impl Session {
    fn of(frames: &[RecordedFrame]) -> Result<Self, DraftError> {
        let values: Vec<(&RecordedFrame, Value)> = frames
            .iter()
            .take(MAX_FRAMES)
            .filter_map(|frame| Some((frame, serde_json::from_str(&frame.text).ok()?)))
            .collect();
        let tag = tag_of(values.iter().map(|(_, value)| value));
        let messages: Vec<Message> = values
            .into_iter()
            .map(|(frame, value)| Message {
                connection: frame.connection,
                from: frame.from,
                tag: value
                    .get(&tag)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                body: body_of(&value),
                value,
            })
            .collect();
        let offers = |one: &&Message| one.from == Side::Client && one.body == Body::Offer;
        let broadcasters: BTreeSet<u64> = messages.iter().filter(offers).map(|one| one.connection).collect();
        if broadcasters.is_empty() {
            return Err(DraftError::NoOffer);
        }
        let connections: BTreeSet<u64> = messages.iter().map(|one| one.connection).collect();
        if connections.len() < 2 {
            return Err(DraftError::OneClient);
        }
        let mut session = Self {
            messages,
            tag,
            broadcasters,
            ids: BTreeMap::new(),
            tokens: BTreeMap::new(),
            room: None,
        };
        session.find_room();
        session.find_ids();
        session.find_tokens();
        Ok(session)
    }

    /// What every first message of a client has alike is the room.
    fn find_room(&mut self) {
        let mut joins: BTreeMap<u64, &Message> = BTreeMap::new();
        for one in self.messages.iter().filter(|one| one.from == Side::Client) {
            joins.entry(one.connection).or_insert(one);
        }
        let fields = |one: &Message| -> BTreeSet<(String, String)> {
            let texts = leaves(&one.value).into_iter();
            let texts =
                texts.filter(|(path, value)| value.is_string() && path.trim_start_matches('/') != self.tag);
            texts.map(|(path, value)| (path, value.to_string())).collect()
        };
        let alike = joins
            .values()
            .map(|one| fields(one))
            .reduce(|a, b| a.intersection(&b).cloned().collect());
        let mut alike: Vec<_> = alike.into_iter().flatten().collect();
        alike.sort_by_key(|(path, _)| !path.to_lowercase().contains("room"));
        self.room = alike
            .first()
            .and_then(|(_, value)| serde_json::from_str(value).ok());
    }

    /// The id of a connection is what the server first gave it, no other was given there, and others say or hear.
    fn find_ids(&mut self) {
        /// A place in messages of one tag, and what stood there first on each connection.
        type Slot<'a> = ((&'a str, String), BTreeMap<u64, &'a Value>);
        let mut slots: Vec<Slot<'_>> = Vec::new();
        for one in self
            .messages
            .iter()
            .filter(|one| one.from == Side::Server && one.body == Body::None)
        {
            for (path, value) in leaves(&one.value) {
                if !is_id(value) || Some(value) == self.room.as_ref() {
                    continue;
                }
                let slot = (one.tag.as_str(), path);
                let at = slots
                    .iter()
                    .position(|(known, _)| *known == slot)
                    .unwrap_or_else(|| {
                        slots.push((slot, BTreeMap::new()));
                        slots.len() - 1
                    });
                if let Some((_, given)) = slots.get_mut(at) {
                    given.entry(one.connection).or_insert(value);
                }
            }
        }
        let is_own = |given: &BTreeMap<u64, &Value>| {
            let texts: BTreeSet<String> = given.values().map(|value| value.to_string()).collect();
            let elsewhere = |connection: &u64, value: &&Value| {
                let others = self.messages.iter().filter(|one| one.connection != *connection);
                others
                    .flat_map(|one| leaves(&one.value))
                    .any(|(_, other)| other == *value)
            };
            given.len() > 1
                && texts.len() == given.len()
                && given
                    .iter()
                    .any(|(connection, value)| elsewhere(connection, value))
        };
        let own = slots.iter().find(|(_, given)| is_own(given));
        self.ids = own.map_or_else(BTreeMap::new, |(_, given)| {
            given.iter().map(|(id, value)| (*id, (*value).clone())).collect()
        });
    }

    /// A token is what a connection was given and says again, and nobody else does.
    fn find_tokens(&mut self) {
        let mut found = BTreeMap::new();
        for (number, given) in self.messages.iter().enumerate() {
            if given.from == Side::Client || given.body != Body::None {
                continue;
            }
            for (path, value) in leaves(&given.value) {
                let is_known = self.ids.values().any(|id| id == value) || Some(value) == self.room.as_ref();
                let is_long = value.as_str().is_some_and(|text| text.len() > 3);
                let mut later = self
                    .messages
                    .iter()
                    .skip(number)
                    .filter(|one| one.from == Side::Client);
                let again = |one: &Message| {
                    one.connection == given.connection
                        && leaves(&one.value).into_iter().any(|(_, other)| other == value)
                };
                if !is_known && is_long && path != format!("/{}", self.tag) && later.any(again) {
                    let name: String = path.rsplit('/').next().unwrap_or_default().to_lowercase();
                    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
                    found.insert(value.to_string(), format!("{name}-given"));
                }
            }
        }
        self.tokens = found;
    }

    /// The shape of a message: what is bound has its name, what the server says for itself is left out.
    fn shape(&self, one: &Message, value: &Value, key: &str) -> Option<Value> {
        let named = |name: &str| Some(Value::from(format!("${name}")));
        let is_sent = one.from == Side::Client;
        match value {
            Value::Object(fields) => {
                if fields.get("sdp").is_some_and(is_sdp)
                    && fields.get("type").is_some()
                    && fields.len() == 2
                    && !key.is_empty()
                {
                    return named("description");
                }
                if fields.get("candidate").is_some_and(is_candidate) && !key.is_empty() {
                    return named("candidate");
                }
                let shaped = fields
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), self.shape(one, value, key)?)));
                let shaped: Map<String, Value> = shaped.collect();
                (is_sent || !shaped.is_empty()).then_some(Value::Object(shaped))
            }
            Value::Array(items) => {
                let ids = items.iter().any(|item| self.ids.values().any(|id| id == item));
                if ids && !is_sent {
                    return named("peers");
                }
                is_sent.then(|| value.clone())
            }
            _ if is_sdp(value) => named("sdp"),
            _ if one.body == Body::Candidate && is_candidate(value) => named("candidate.candidate"),
            _ if one.body == Body::Candidate
                && matches!(key, "sdpMid" | "sdpMLineIndex" | "usernameFragment") =>
            {
                named(&format!("candidate.{key}"))
            }
            _ if key == self.tag => Some(value.clone()),
            _ => {
                let whose = self
                    .ids
                    .iter()
                    .find(|(_, id)| *id == value)
                    .map(|(whose, _)| *whose);
                if let Some(whose) = whose {
                    return named(match (whose == one.connection, is_sent, one.body) {
                        (true, ..) => "me",
                        (false, true, _) => "to",
                        (false, false, Body::None) => "peer",
                        (false, false, _) => "from",
                    });
                }
                if let Some(token) = self.tokens.get(&value.to_string()) {
                    return named(token);
                }
                if Some(value) == self.room.as_ref() {
                    return named("room");
                }
                let tells = matches!(value.as_str(), Some("offer" | "answer"));
                (is_sent || tells).then(|| value.clone())
            }
        }
    }

    fn shaped(&self, one: &Message) -> Value {
        self.shape(one, &one.value, "").unwrap_or_default()
    }

    fn write(&self, name: &str) -> String {
        let mut out = format!(
            "# Drafted from a recording; look at what is marked with # ?\nname = {}\n",
            Value::from(name)
        );
        let received = self.received();
        if !received.iter().any(|(_, event, _)| *event == "joined") {
            out += "join = \"silent\"  # ? nothing in the recording confirms a join\n";
        }
        out += "\n[send]\n";
        let mut said: BTreeSet<String> = BTreeSet::new();
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        let mut unexplained = Vec::new();
        for one in self.messages.iter().filter(|one| one.from == Side::Client) {
            let is_first = seen.insert(one.connection);
            let field = match one.body {
                Body::Offer => "offer",
                Body::Answer => "answer",
                Body::Candidate => "candidate",
                Body::None if is_first && self.broadcasters.contains(&one.connection) => "join.broadcaster",
                Body::None if is_first => "join.viewer",
                Body::None => {
                    unexplained.push(one);
                    continue;
                }
            };
            if said.insert(field.to_owned()) {
                let _ = writeln!(out, "{field} = {}", quoted(&self.shaped(one)));
            }
        }
        let mut told = BTreeSet::new();
        for one in unexplained {
            let shape = quoted(&self.shaped(one));
            if self.reply_to(one).is_none() && told.insert(one.tag.clone()) {
                let _ = writeln!(out, "# ? chat, leave or ping: {shape}");
            }
        }
        for (shape, event, guessed) in received {
            let mark = if guessed { "  # ?" } else { "" };
            let _ = write!(
                out,
                "[[receive]]\nmatch = {}\nevent = \"{event}\"{mark}\n",
                quoted(&shape)
            );
            let tag = shape.get(&self.tag).and_then(Value::as_str).unwrap_or_default();
            let mut answers = self.messages.iter().filter(|one| self.reply_to(one) == Some(tag));
            if let Some(answer) = answers.next() {
                let _ = writeln!(out, "reply = {}  # ?", quoted(&reply(&shape, &answer.value)));
            }
        }
        out
    }

    /// The tag of what a client answered by saying its fields again.
    fn reply_to(&self, one: &Message) -> Option<&str> {
        let place = self.messages.iter().position(|other| std::ptr::eq(other, one))?;
        let is_first = !self
            .messages
            .iter()
            .take(place)
            .any(|other| other.connection == one.connection && other.from == Side::Client);
        if one.from == Side::Server || one.body != Body::None || is_first {
            return None;
        }
        let before = self.messages.iter().take(place).rev();
        let mut asked = before.filter(|other| {
            let of_it =
                other.connection == one.connection && other.from == Side::Server && other.body == Body::None;
            of_it && !echoed(&other.value, &one.value, &self.tag).is_empty()
        });
        asked.next().map(|asked| asked.tag.as_str())
    }

    /// Each shape of what the server said, what it means, and whether that is a guess.
    fn received(&self) -> Vec<(Value, &'static str, bool)> {
        let mut groups: Vec<((&str, Body), Vec<&Message>)> = Vec::new();
        for one in self.messages.iter().filter(|one| one.from == Side::Server) {
            let group = (one.tag.as_str(), one.body);
            match groups.iter_mut().find(|(known, _)| *known == group) {
                Some((_, members)) => members.push(one),
                None => groups.push((group, vec![one])),
            }
        }
        let mut has_joined = false;
        let mut described = Vec::new();
        for ((tag, body), members) in groups {
            let mut shape = members
                .iter()
                .map(|one| self.shaped(one))
                .reduce(merged)
                .unwrap_or_default();
            let text = shape.to_string();
            let left = ["left", "leave", "went", "gone", "bye", "disconnect", "exit"];
            let (event, guessed) = match body {
                Body::Offer => ("offer", false),
                Body::Answer => ("answer", false),
                Body::Candidate => ("candidate", false),
                Body::None if text.contains("\"$me\"") && !has_joined => ("joined", false),
                Body::None if text.contains("\"$peer\"") => {
                    let has_left = left.iter().any(|word| tag.to_lowercase().contains(word));
                    (if has_left { "peer-left" } else { "peer-joined" }, true)
                }
                Body::None if self.ids.is_empty() && self.comes_before_an_offer(tag) => ("peer-joined", true),
                Body::None => ("ignore", true),
            };
            has_joined |= event == "joined";
            if event == "ignore"
                && let Some(answer) = self.messages.iter().find(|one| self.reply_to(one) == Some(tag))
            {
                for asked in &members {
                    for key in echoed(&asked.value, &answer.value, &self.tag) {
                        if let Some(fields) = shape.as_object_mut() {
                            fields.insert(key.clone(), Value::from(format!("${key}-asked")));
                        }
                    }
                }
            }
            described.push((shape, event, guessed));
        }
        described
    }

    /// Whether it is the last word of the server to a broadcaster before that offers.
    fn comes_before_an_offer(&self, tag: &str) -> bool {
        let offer = self
            .messages
            .iter()
            .position(|one| one.from == Side::Client && one.body == Body::Offer);
        let before = self.messages.iter().take(offer.unwrap_or_default()).rev();
        let mut before =
            before.filter(|one| one.from == Side::Server && self.broadcasters.contains(&one.connection));
        before.next().is_some_and(|one| one.tag == tag)
    }
}

/// A message as TOML has it most readably.
fn quoted(message: &Value) -> String {
    let text = message.to_string();
    if text.contains('\'') {
        return Value::from(text).to_string();
    }
    format!("'{text}'")
}

/// What two messages of one kind have in common: names win, and a field that is not in both is optional.
fn merged(a: Value, b: Value) -> Value {
    let (Value::Object(a), Value::Object(b)) = (&a, &b) else {
        let is_name = |value: &Value| value.as_str().is_some_and(|text| text.starts_with('$'));
        return if is_name(&b) { b } else { a };
    };
    let mut both = Map::new();
    let keys: BTreeSet<&str> = a
        .keys()
        .chain(b.keys())
        .map(|key| key.trim_end_matches('?'))
        .collect();
    for key in keys {
        let optional = format!("{key}?");
        let of = |fields: &Map<String, Value>| fields.get(key).or_else(|| fields.get(&optional)).cloned();
        let always = a.contains_key(key) && b.contains_key(key);
        let value = match (of(a), of(b)) {
            (Some(a), Some(b)) => merged(a, b),
            (one, other) => one.or(other).unwrap_or_default(),
        };
        both.insert(if always { key.to_owned() } else { optional }, value);
    }
    Value::Object(both)
}

/// The fields that one message says as another did.
fn echoed(asked: &Value, answer: &Value, tag: &str) -> Vec<String> {
    let fields = answer.as_object().into_iter().flatten();
    let same = fields.filter(|(key, value)| *key != tag && asked.get(key.as_str()) == Some(*value));
    same.map(|(key, _)| key.clone()).collect()
}

fn reply(shape: &Value, answer: &Value) -> Value {
    let fields = answer.as_object().into_iter().flatten().map(|(key, value)| {
        let asked = Value::from(format!("${key}-asked"));
        let is_asked = shape.get(key) == Some(&asked);
        (key.clone(), if is_asked { asked } else { value.clone() })
    });
    Value::Object(fields.collect())
}

fn tag_of<'v>(values: impl Iterator<Item = &'v Value>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in values {
        for (key, value) in value.as_object().into_iter().flatten() {
            if value.as_str().is_some_and(|text| text.len() <= 40) {
                *counts.entry(key).or_default() += 1;
            }
        }
    }
    let likeliness = |key: &str| {
        TAGS.iter()
            .rev()
            .position(|tag| *tag == key)
            .map_or(0, |place| place + 1)
    };
    let most = counts
        .into_iter()
        .max_by_key(|(key, count)| (*count, likeliness(key)));
    most.map_or_else(|| "type".to_owned(), |(key, _)| key.to_owned())
}

fn body_of(value: &Value) -> Body {
    let all = leaves(value);
    if let Some((_, sdp)) = all.iter().find(|(_, value)| is_sdp(value)) {
        let says = |word: &str| {
            all.iter()
                .any(|(path, value)| value.as_str() == Some(word) || path.contains(&format!("/{word}")))
        };
        let opens = sdp.as_str().is_some_and(|sdp| sdp.contains("a=setup:actpass"));
        return if says("offer") || (opens && !says("answer")) {
            Body::Offer
        } else {
            Body::Answer
        };
    }
    if all.iter().any(|(_, value)| is_candidate(value)) {
        return Body::Candidate;
    }
    Body::None
}

fn is_sdp(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("v=0"))
}

fn is_candidate(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("candidate:"))
}

fn is_id(value: &Value) -> bool {
    value.is_u64()
        || value
            .as_str()
            .is_some_and(|text| !text.is_empty() && text.len() <= 64)
}

/// Every text, number and flag in a message, with its path.
fn leaves(value: &Value) -> Vec<(String, &Value)> {
    fn collect<'v>(path: String, value: &'v Value, into: &mut Vec<(String, &'v Value)>) {
        match value {
            Value::Object(fields) => fields
                .iter()
                .for_each(|(key, value)| collect(format!("{path}/{key}"), value, into)),
            Value::Array(items) => items
                .iter()
                .for_each(|item| collect(format!("{path}/0"), item, into)),
            leaf => into.push((path, leaf)),
        }
    }
    let mut found = Vec::new();
    collect(String::new(), value, &mut found);
    found
}

#[cfg(test)]
#[expect(
    clippy::panic,
    reason = "a helper of a test fails by panicking, as the test does"
)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn drafted(session: &[(u64, Side, Value)]) -> String {
        let frame = |(connection, from, value): &(u64, Side, Value)| RecordedFrame {
            connection: *connection,
            at_ms: 0,
            from: *from,
            text: value.to_string(),
        };
        let frames: Vec<_> = session.iter().map(frame).collect();
        let text = draft("drafted", &frames).unwrap();
        let file = super::super::file::parse(&text, "drafted.toml".as_ref());
        let file = std::sync::Arc::new(file.unwrap_or_else(|error| panic!("{error}\n{text}")));
        let proof = super::super::prove(&file, &frames);
        assert_eq!(proof.unexplained, [0; 0], "{text}");
        text
    }

    #[test]
    fn a_protocol_without_ids_and_confirmation_is_drafted_as_one() {
        let sdp = |kind: &str| json!({"type": kind, kind: {"type": kind, "sdp": "v=0\r\n"}});
        let ice = json!({"type": "candidate", "candidate": {"candidate": "candidate:1"}});
        let text = drafted(&[
            (1, Side::Client, json!({"type": "broadcaster"})),
            (2, Side::Client, json!({"type": "viewer"})),
            (1, Side::Server, json!({"type": "new-viewer"})),
            (1, Side::Client, sdp("offer")),
            (2, Side::Server, sdp("offer")),
            (1, Side::Client, ice.clone()),
            (2, Side::Server, ice),
            (2, Side::Client, sdp("answer")),
            (1, Side::Server, sdp("answer")),
        ]);
        for line in [
            "join = \"silent\"",
            "join.viewer = '{\"type\":\"viewer\"}'",
            "offer = '{\"offer\":\"$description\",\"type\":\"offer\"}'",
            "match = '{\"type\":\"new-viewer\"}'\nevent = \"peer-joined\"  # ?",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }

    #[test]
    fn a_recording_that_shows_too_little_is_refused_with_what_to_record() {
        let frame = |value: Value| RecordedFrame {
            connection: 1,
            at_ms: 0,
            from: Side::Client,
            text: value.to_string(),
        };
        assert_eq!(
            draft("d", &[frame(json!({"op": "join"}))]),
            Err(DraftError::NoOffer)
        );
        let offer = frame(json!({"op": "offer", "sdp": "v=0"}));
        assert_eq!(draft("d", &[offer]), Err(DraftError::OneClient));
    }
}
