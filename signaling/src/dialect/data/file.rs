//! A dialect as a value: what a file says, read by serde. Owns the fields; [`super::check`] says which make sense.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use super::template::Template;
use crate::Role;

/// A protocol by data: which messages say what, both ways. docs/dialects.md has every field.
///
/// [`DialectFile::check`] says whether it makes sense; [`crate::Dialect::data`] speaks it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialectFile {
    /// What it is called in messages.
    pub name: String,
    /// Who makes the offer.
    #[serde(default = "broadcaster")]
    pub offers: Role,
    /// Whether the server confirms a join.
    #[serde(default)]
    pub join: Confirmation,
    /// What bots say.
    pub send: Sends,
    /// What they are told; of several that fit a message the first one counts.
    #[serde(default)]
    pub receive: Vec<Receive>,
}

fn broadcaster() -> Role {
    Role::Broadcaster
}

/// Whether the server confirms a join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmation {
    /// By a message that means `joined`.
    #[default]
    Confirmed,
    /// Not at all: who has said it is in.
    Silent,
}

/// What bots say, by command. What is absent is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sends {
    /// As the first of each bot.
    pub join: Joins,
    /// An offer.
    pub offer: Option<Template>,
    /// An answer.
    pub answer: Option<Template>,
    /// Either, where the two have no shape of their own.
    pub description: Option<Template>,
    /// A candidate.
    pub candidate: Option<Template>,
    /// The end of candidates.
    pub end_of_candidates: Option<Template>,
    /// A line of chat.
    pub chat: Option<Template>,
    /// Muting.
    pub mute: Option<Template>,
    /// Unmuting.
    pub unmute: Option<Template>,
    /// The end of the stream.
    pub stop: Option<Template>,
    /// Leaving; without it a bot closes its connection.
    pub leave: Option<Template>,
    /// What the server wants to hear every now and then.
    pub ping: Option<Ping>,
}

/// How a bot joins, by role: one message, or several in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Joins {
    /// As the broadcaster.
    #[serde(deserialize_with = "one_or_more")]
    pub broadcaster: Vec<Template>,
    /// As a viewer.
    #[serde(deserialize_with = "one_or_more")]
    pub viewer: Vec<Template>,
}

/// A message that is said again and again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// Time between two.
    pub every: Every,
    /// The message.
    pub text: Template,
}

/// A time, written as `500ms`, `20s` or `5m`; at least 100 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Every(pub Duration);

/// A message of the server and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receive {
    /// Its shape.
    #[serde(rename = "match")]
    pub shape: Template,
    /// What it means.
    pub event: Happens,
    /// The role of the peer that it is about; the other one than the bot's where nobody says.
    #[serde(default)]
    pub role: Option<Role>,
    /// The only bots to which it means this.
    #[serde(default)]
    pub only: Option<Role>,
    /// The shape of each item of `$peers`; by default `"$peer"`.
    #[serde(default)]
    pub each: Option<Template>,
    /// What the protocol wants said at once.
    #[serde(default, deserialize_with = "one_or_more")]
    pub reply: Vec<Template>,
}

/// What a message may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Happens {
    /// The bot is in.
    Joined,
    /// A peer is there.
    PeerJoined,
    /// A peer has gone.
    PeerLeft,
    /// An offer.
    Offer,
    /// An answer.
    Answer,
    /// Either, as its type says.
    Description,
    /// A candidate.
    Candidate,
    /// No more candidates.
    EndOfCandidates,
    /// A line of chat.
    Chat,
    /// What the broadcaster has muted or stopped.
    State,
    /// The server refused something.
    Error,
    /// Nothing that a bot needs to know.
    Ignore,
}

impl fmt::Display for Happens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Joined => "joined",
            Self::PeerJoined => "peer-joined",
            Self::PeerLeft => "peer-left",
            Self::Offer => "offer",
            Self::Answer => "answer",
            Self::Description => "description",
            Self::Candidate => "candidate",
            Self::EndOfCandidates => "end-of-candidates",
            Self::Chat => "chat",
            Self::State => "state",
            Self::Error => "error",
            Self::Ignore => "ignore",
        })
    }
}

impl Sends {
    /// Every message by its name in the file.
    pub(super) fn all(&self) -> Vec<(&'static str, &Template)> {
        let joins = [
            ("join.broadcaster", &self.join.broadcaster),
            ("join.viewer", &self.join.viewer),
        ];
        let joins = joins
            .into_iter()
            .flat_map(|(name, texts)| texts.iter().map(move |text| (name, text)));
        let others = [
            ("offer", &self.offer),
            ("answer", &self.answer),
            ("description", &self.description),
            ("candidate", &self.candidate),
            ("end-of-candidates", &self.end_of_candidates),
            ("chat", &self.chat),
            ("mute", &self.mute),
            ("unmute", &self.unmute),
            ("stop", &self.stop),
            ("leave", &self.leave),
        ];
        let others = others
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_ref()?)));
        let ping = self.ping.iter().map(|ping| ("ping", &ping.text));
        joins.chain(others).chain(ping).collect()
    }
}

impl DialectFile {
    /// Whether bots know each other by the names that the server gave: an offer says whom it is for.
    pub fn is_addressed(&self) -> bool {
        let offers = self.send.offer.as_ref().or(self.send.description.as_ref());
        offers.is_some_and(|offer| offer.has("to"))
    }

    /// Whether rooms have names; without them a server has one.
    pub fn names_rooms(&self) -> bool {
        let joins = &self.send.join;
        joins
            .broadcaster
            .iter()
            .chain(&joins.viewer)
            .any(|text| text.has("room"))
    }

    /// Whether there is a word for chat.
    pub fn has_chat(&self) -> bool {
        self.send.chat.is_some()
    }
}

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => 0,
        };
        let millis = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
        match millis {
            Some(millis @ 100..=86_400_000) => Ok(Self(Duration::from_millis(millis))),
            _ => Err(format!(
                "{text:?} is no time between 100 ms and a day; write it as \"500ms\", \"20s\" or \"5m\""
            )),
        }
    }
}

/// One text, or a list of texts.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Template>, D::Error> {
    struct OneOrMore;
    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<Template>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a message in quotes, or a list of them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let template = Template::try_from(text.to_owned()).map_err(E::custom)?;
            Ok(vec![template])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut read = Vec::new();
            while let Some(item) = items.next_element()? {
                read.push(item);
            }
            Ok(read)
        }
    }
    deserializer.deserialize_any(OneOrMore)
}
