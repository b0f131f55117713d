//! The steps of a connection, which are the same for a host, a viewer and a peer.
//!
//! Owns the sentences of those steps.

use super::{Judge, Told, of};
use crate::doctor::client::exchange::{Exchange, Mark};
use crate::doctor::client::{ClientQuestion, ClientRole};

impl Judge<'_> {
    pub(super) fn answers(&self) -> Told {
        let Some(first) = self.exchange(0) else {
            return Told::not_asked("nobody offered");
        };
        let Some(offer) = &first.offer else {
            return Told::unclear(format!("{} made no offer", first.bot));
        };
        if let Some(answer) = &first.answer {
            return Told::healthy(format!("{}, the offer was {}", of(answer.at), of(offer.at)));
        }
        if first.counter_offer.is_some() {
            return Told::not_asked(format!("see {}", ClientQuestion::GivesWay));
        }
        self.missing(
            offer.at,
            format!(
                "it was sent an offer ({}), and no answer came in {}",
                of(offer.at),
                self.within(offer.at)
            ),
            "apply the offer with setRemoteDescription, make an answer and send it; an exception in the handler ends it \
             without a word, and a second assignment to onmessage takes the first one's place",
        )
    }

    pub(super) fn gives_way(&self) -> Told {
        let offered = |exchange: &&Exchange| exchange.counter_offer.is_some() && exchange.offer.is_some();
        let Some((exchange, counter)) = self
            .exchanges()
            .find(offered)
            .and_then(|exchange| Some((exchange, exchange.counter_offer?)))
        else {
            return Told::not_asked("it never offered while it was offered to");
        };
        if let Some(answer) = &exchange.answer {
            return Told::healthy(format!(
                "it offered ({}), and answered all the same ({})",
                of(counter),
                of(answer.at)
            ));
        }
        let offer = exchange.offer.as_ref().map_or(counter, |offer| offer.at);
        self.missing(
            counter,
            format!(
                "it was offered to ({}), sent an offer of its own ({}), and never answered: both ends wait for an answer",
                of(offer),
                of(counter)
            ),
            "let one end offer only, or use perfect negotiation: the polite one takes its own offer back and answers",
        )
    }

    pub(super) fn candidates(&self) -> Told {
        let described = self
            .exchanges()
            .find_map(|exchange| Some((exchange, exchange.theirs()?)));
        let Some((exchange, theirs)) = described else {
            return Told::not_asked("it described nothing that candidates could belong to");
        };
        let inside = exchange.candidates_inside();
        if inside > 0 || exchange.candidates > 0 {
            return Told::healthy(format!(
                "{inside} in its description ({}), {} after it",
                of(theirs.at),
                exchange.candidates
            ));
        }
        let what = if self.came.role == Some(ClientRole::Host) {
            "offer"
        } else {
            "answer"
        };
        let luck = exchange.connected.map_or_else(String::new, |at| {
            format!(
                "; it connected ({}) because its checks reached us, which they do not through every NAT",
                of(at)
            )
        });
        self.missing(
            theirs.at,
            format!(
                "its {what} ({}) has no candidate in it, and none came in {} after it{luck}",
                of(theirs.at),
                self.within(theirs.at)
            ),
            "send each candidate that onicecandidate gives, or wait for the end of gathering and send localDescription",
        )
    }

    pub(super) fn connects(&self) -> Told {
        let both = |exchange: &&Exchange| exchange.offer.is_some() && exchange.answer.is_some();
        if !self.exchanges().any(|exchange| both(&exchange)) {
            return Told::not_asked("there was no offer with an answer");
        }
        let failed = self
            .exchanges()
            .filter(both)
            .find(|exchange| exchange.connected.is_none());
        let Some(exchange) = failed else {
            let connected: Vec<_> = self
                .exchanges()
                .filter_map(|exchange| exchange.connected)
                .collect();
            let first = connected.first().map_or_else(String::new, |at| of(*at));
            let times = match connected.len() {
                1 => "once".to_owned(),
                times => format!("{times} times, the first time"),
            };
            return Told::healthy(format!("{times} {first}"));
        };
        let why = [ClientQuestion::TakesAnswer, ClientQuestion::OwnConnection];
        let why = why.into_iter().filter(|question| question.is_for(self.came.role));
        if let Some(told) = why
            .chain([ClientQuestion::Candidates])
            .find_map(|question| self.see(question))
        {
            return told;
        }
        let after = exchange
            .answer
            .as_ref()
            .map_or(Mark { number: 0, at_us: 0 }, |answer| answer.at);
        let checks = exchange.check.map_or_else(
            || "no connectivity check of its came".to_owned(),
            |at| {
                format!(
                    "its first connectivity check came ({}) and nothing after it led anywhere",
                    of(at)
                )
            },
        );
        self.missing(
            after,
            format!(
                "{} and it have offer and answer ({}), and they did not connect in {}: {checks}",
                exchange.bot,
                of(after),
                self.within(after)
            ),
            "look at the ladder below, at the candidates of both ends: an address that the other end cannot reach is the \
             usual reason; give the address that the client uses to --listen",
        )
    }

    pub(super) fn returns(&self) -> Told {
        self.again(1, "broadcaster that left and came back")
    }

    /// Whether a later offer of a broadcaster is answered as the first one was.
    pub(super) fn again(&self, number: usize, what: &str) -> Told {
        let before = self.exchange(number.saturating_sub(1));
        let Some(before) = before.and_then(|exchange| exchange.answer.as_ref().zip(exchange.connected))
        else {
            return Told::not_asked("it did not connect before that");
        };
        let Some(exchange) = self.exchange(number) else {
            return Told::unclear("the examination ended before that");
        };
        let Some(offer) = &exchange.offer else {
            return Told::unclear("the broadcaster made no second offer");
        };
        let fix = "take each offer as it comes: a new one from a broadcaster is a new peer connection";
        let Some(answer) = &exchange.answer else {
            return self.missing(
                offer.at,
                format!(
                    "it answered before ({}), and not the offer of the {what} ({}), in {}",
                    of(before.0.at),
                    of(offer.at),
                    self.within(offer.at)
                ),
                fix,
            );
        };
        match exchange.connected {
            Some(at) => Told::healthy(format!("connected again ({})", of(at))),
            None => self.missing(
                answer.at,
                format!(
                    "it connected before ({}), answered the {what} ({}), and did not connect in {}",
                    of(before.1),
                    of(answer.at),
                    self.within(answer.at)
                ),
                fix,
            ),
        }
    }
}
