//! Whether a dialect file makes sense: every name is known where it stands, and nothing that bots need is missing.
//!
//! Owns these rules and their wording, and says where in the file each is broken. Everything that can be told before a
//! run is told here, so that what fails later is the server's.

use std::collections::BTreeSet;

use super::{
    file::{Confirmation, DialectFile, Happens, Receive},
    names,
    template::Template,
};
use crate::Role;

/// What is wrong with a dialect file, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}; {remedy}")]
pub struct DialectFileError {
    /// Where, such as `send.offer` or `receive[2]`.
    pub path: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

fn wrong(path: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> DialectFileError {
    DialectFileError {
        path: path.into(),
        problem: problem.into(),
        remedy: remedy.into(),
    }
}

impl DialectFile {
    /// Checks everything that can be told without a server.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), DialectFileError> {
        if self.name.is_empty() || self.name.len() > 64 {
            return Err(wrong(
                "name",
                "the dialect has no name of 1 to 64 characters",
                "name it for its server",
            ));
        }
        self.check_what_is_there()?;
        let kept = self.kept_names();
        for (command, text) in self.send.all() {
            check_sent(command, text, &kept)?;
        }
        for (number, receive) in self.receive.iter().enumerate() {
            self.check_received(&format!("receive[{number}]"), receive, &kept)?;
        }
        Ok(())
    }

    fn check_what_is_there(&self) -> Result<(), DialectFileError> {
        let send = &self.send;
        for (command, text) in [("offer", &send.offer), ("answer", &send.answer)] {
            if text.is_none() && send.description.is_none() {
                return Err(wrong(
                    "send",
                    format!("bots have no message for an {command}"),
                    format!("add {command} = '{{…,\"sdp\":\"$sdp\"}}'"),
                ));
            }
        }
        if send.candidate.is_none() {
            return Err(wrong(
                "send",
                "bots have no message for a candidate, and they trickle them",
                "add candidate = '{…,\"candidate\":\"$candidate\"}'",
            ));
        }
        let means = |event| self.receive.iter().any(|receive| receive.event == event);
        for event in [Happens::Offer, Happens::Answer] {
            if !means(event) && !means(Happens::Description) {
                return Err(wrong(
                    "receive",
                    format!("no [[receive]] has event = \"{event}\""),
                    "add one: without it nobody hears what the other says",
                ));
            }
        }
        match (self.join, means(Happens::Joined)) {
            (Confirmation::Confirmed, false) => Err(wrong(
                "join",
                "no [[receive]] has event = \"joined\"",
                "add one, or join = \"silent\" where the server confirms no join",
            )),
            _ if !means(Happens::PeerJoined) && !self.joined_names_peers() => Err(wrong(
                "receive",
                "nothing tells the broadcaster of a viewer, so it would never offer",
                "add a [[receive]] with event = \"peer-joined\", or $peers in the one that means joined",
            )),
            _ => Ok(()),
        }
    }

    fn joined_names_peers(&self) -> bool {
        let joined = self.receive.iter().filter(|one| one.event == Happens::Joined);
        joined
            .into_iter()
            .any(|one| one.shape.has("peers") || one.shape.has("peer"))
    }

    /// The names of the file's own that some message brings.
    fn kept_names(&self) -> BTreeSet<&str> {
        let names = self.receive.iter().flat_map(|receive| receive.shape.names());
        names.filter(|name| !names::is_known(name)).collect()
    }

    fn check_received(
        &self,
        path: &str,
        receive: &Receive,
        kept: &BTreeSet<&str>,
    ) -> Result<(), DialectFileError> {
        let event = receive.event;
        for name in receive.shape.names() {
            let fits = matches!(name, "me" | "room") || names::of_event(event).contains(&name);
            if names::is_known(name) && !fits {
                return Err(wrong(
                    format!("{path}.match"),
                    format!("{event} has no use for ${name}"),
                    if name == "to" {
                        "write $me where the bot itself stands, or $_ for what does not matter".to_owned()
                    } else {
                        format!("it has {}", listed(names::of_event(event)))
                    },
                ));
            }
            if !names::is_known(name) && !self.is_used(name) {
                let near = names::near(name);
                return Err(wrong(
                    format!("{path}.match"),
                    format!("it binds ${name}, which no message of [send] and no reply has"),
                    near.map_or_else(
                        || "write $_ for what does not matter".to_owned(),
                        |near| format!("did you mean ${near}?"),
                    ),
                ));
            }
        }
        require(
            &format!("{path}.match"),
            &event.to_string(),
            &receive.shape,
            names::needed_by_event(event),
        )?;
        // Whose answer it is decides which connection takes it.
        let answers = matches!(event, Happens::Answer | Happens::Description);
        if self.is_addressed() && answers && receive.only != Some(Role::Viewer) && !receive.shape.has("from")
        {
            return Err(wrong(
                format!("{path}.match"),
                format!("offers are addressed by $to, and this {event} does not say whose it is"),
                "bind $from, or take $to out of the offer where the server names nobody",
            ));
        }
        let lists = receive.shape.has("peers");
        if self.is_addressed() && event == Happens::PeerJoined && !lists && !receive.shape.has("peer") {
            return Err(wrong(
                format!("{path}.match"),
                "offers are addressed by $to, and this peer-joined names nobody",
                "bind $peer, or $peers for a list",
            ));
        }
        match &receive.each {
            Some(_) if !lists => {
                return Err(wrong(
                    format!("{path}.each"),
                    "there is no $peers for each to be about",
                    "bind $peers in match, or leave each out",
                ));
            }
            Some(each) => {
                if let Some(name) = each
                    .names()
                    .into_iter()
                    .find(|name| !matches!(*name, "peer" | "role"))
                {
                    return Err(wrong(
                        format!("{path}.each"),
                        format!("an item of $peers has no use for ${name}"),
                        "it has $peer and $role",
                    ));
                }
                require(&format!("{path}.each"), "an item of $peers", each, &[&["peer"]])?;
            }
            None => {}
        }
        for text in &receive.reply {
            for name in text.names() {
                let bound =
                    matches!(name, "me" | "room" | "role") || receive.shape.has(name) || kept.contains(name);
                if !bound {
                    return Err(unbound(&format!("{path}.reply"), name));
                }
            }
        }
        Ok(())
    }

    fn is_used(&self, name: &str) -> bool {
        let replies = self.receive.iter().flat_map(|receive| &receive.reply);
        let sent = self.send.all();
        replies
            .chain(sent.into_iter().map(|(_, text)| text))
            .any(|text| text.has(name))
    }
}

fn check_sent(command: &str, text: &Template, kept: &BTreeSet<&str>) -> Result<(), DialectFileError> {
    let path = format!("send.{command}");
    let (allowed, needed) = names::of_command(command);
    for name in text.names() {
        let fits = matches!(name, "me" | "room" | "role") || allowed.contains(&name) || kept.contains(name);
        if !fits && names::is_known(name) {
            return Err(wrong(
                path,
                format!("{command} has no ${name}"),
                format!("it has {}", listed(allowed)),
            ));
        }
        if !fits {
            return Err(unbound(&path, name));
        }
    }
    require(&path, command, text, needed)
}

fn unbound(path: &str, name: &str) -> DialectFileError {
    let remedy = match names::near(name) {
        Some(near) => format!("did you mean ${near}?"),
        None => format!("bind ${name} in the match of the message that brings it"),
    };
    wrong(path, format!("nothing binds ${name}"), remedy)
}

fn require(path: &str, what: &str, text: &Template, sets: &[&[&str]]) -> Result<(), DialectFileError> {
    if sets.is_empty() || sets.iter().any(|set| set.iter().all(|name| text.has(name))) {
        return Ok(());
    }
    let sets: Vec<String> = sets
        .iter()
        .map(|set| set.iter().map(|name| format!("${name}")).collect::<Vec<_>>())
        .map(|names| names.join(" and "))
        .collect();
    let sets = sets.join(", or ");
    Err(wrong(
        path,
        format!("{what} needs {sets}"),
        "write it where the value stands",
    ))
}

fn listed(names: &[&str]) -> String {
    let always = ["$me".to_owned(), "$room".to_owned()];
    let names = names.iter().map(|name| format!("${name}"));
    always.into_iter().chain(names).collect::<Vec<_>>().join(", ")
}
