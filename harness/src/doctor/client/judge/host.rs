//! What only a host is asked: whether it serves one viewer after the other.
//!
//! Owns the sentences of those questions, and the one on chat, which a viewer is asked too.

use super::{Judge, Told, of};
use crate::doctor::client::exchange::{Exchange, Mark};
use crate::doctor::client::visit::SETTLED;
use crate::doctor::client::{ClientQuestion, ClientRole};

/// Viewers before the line of chat.
const BEFORE_CHAT: usize = 2;

impl Judge<'_> {
    /// When the host heard of a viewer: when it was told, or at least when the viewer asked to be let in.
    fn heard_of(exchange: &Exchange) -> Option<Mark> {
        exchange.announced.or(exchange.began)
    }

    pub(super) fn offers(&self) -> Told {
        let viewers: Vec<&Exchange> = self.exchanges().take(BEFORE_CHAT).collect();
        if viewers.is_empty() {
            return Told::unclear("no viewer came to it");
        }
        let without = viewers.iter().find(|exchange| exchange.offer.is_none());
        let Some(exchange) = without else {
            let first = viewers.first().and_then(|exchange| exchange.offer.as_ref());
            let first = first.map_or_else(String::new, |offer| of(offer.at));
            return Told::healthy(format!("to {} viewers, the first time {first}", viewers.len()));
        };
        let Some(told) = Self::heard_of(exchange) else {
            return Told::unclear(format!("{} was not let in", exchange.bot));
        };
        let before = viewers.iter().find_map(|exchange| exchange.offer.as_ref());
        let before = before.map_or_else(String::new, |offer| {
            format!("it had offered before ({}), ", of(offer.at))
        });
        self.missing(
            told,
            format!(
                "{before}was told of {} ({}), and made no offer in {}",
                exchange.bot,
                of(told),
                self.within(told)
            ),
            "make a peer connection and an offer for each viewer that is announced; look whether something assigns \
             onmessage a second time, which takes the first handler's place",
        )
    }

    pub(super) fn takes_answer(&self) -> Told {
        let answered: Vec<(&Exchange, Mark)> = self
            .exchanges()
            .filter_map(|exchange| Some((exchange, exchange.answer.as_ref()?.at)))
            .collect();
        let Some((exchange, answer)) = answered.first() else {
            return Told::not_asked("no offer of its was answered");
        };
        match exchange.check.max(exchange.connected) {
            Some(at) => Told::healthy(format!(
                "its checks come ({}), the answer was {}",
                of(exchange.check.unwrap_or(at)),
                of(*answer)
            )),
            None => self.missing(
                *answer,
                format!(
                    "the answer of {} was delivered ({}), and in {} no connectivity check came from the host, which begins \
                     them as soon as it has applied an answer; its offer was {}",
                    exchange.bot,
                    of(*answer),
                    self.within(*answer),
                    exchange.offer.as_ref().map_or_else(String::new, |offer| of(offer.at))
                ),
                "handle the answer: give it to setRemoteDescription of the peer connection that made the offer",
            ),
        }
    }

    pub(super) fn media(&self) -> Told {
        let connected = self
            .exchanges()
            .find_map(|exchange| Some((exchange, exchange.connected?)));
        let Some((exchange, connected)) = connected else {
            return Told::not_asked("it did not connect");
        };
        match exchange.first_packet {
            Some(at) => Told::healthy(format!("the first packet came {}", of(at))),
            None => self.missing(
                connected,
                format!(
                    "{} connected ({}), and no packet of media came in {}",
                    exchange.bot,
                    of(connected),
                    self.within(connected)
                ),
                "add the tracks to the peer connection before the offer is made, and look at the direction in it",
            ),
        }
    }

    pub(super) fn own_connection(&self) -> Told {
        let offered: Vec<&Exchange> = self
            .exchanges()
            .filter(|exchange| exchange.offer.is_some())
            .collect();
        let mut pairs = offered.windows(2).filter_map(|pair| match pair {
            [one, other] => Some((*one, *other)),
            _ => None,
        });
        if offered.len() < 2 {
            return Told::not_asked("it did not offer to two viewers");
        }
        let shared = pairs.find_map(|(one, other)| Some((one, other, one.same_connection(other)?)));
        let Some((one, other, same)) = shared else {
            return Told::healthy(format!("{} offers of as many peer connections", offered.len()));
        };
        let at = |exchange: &Exchange| {
            exchange
                .offer
                .as_ref()
                .map_or_else(String::new, |offer| of(offer.at))
        };
        Told::sick(
            format!(
                "its offers to {} ({}) and to {} ({}) are of one peer connection, with {same}: one can be connected to one \
                 viewer only",
                one.bot,
                at(one),
                other.bot,
                at(other)
            ),
            "make a new RTCPeerConnection for each viewer, and keep them by the viewer",
        )
    }

    pub(super) fn next_viewer(&self) -> Told {
        let Some(first) = self.exchange(0).filter(|first| first.first_packet.is_some()) else {
            return Told::not_asked("the first viewer got no media");
        };
        let Some((next, told)) = self.exchange(1).and_then(|next| {
            Some((
                next,
                next.offer
                    .as_ref()
                    .map(|offer| offer.at)
                    .or(Self::heard_of(next))?,
            ))
        }) else {
            return Told::not_asked("no second viewer came");
        };
        let settled = told.at_us + u64::try_from(SETTLED.as_micros()).unwrap_or(u64::MAX);
        let after: Vec<_> = first
            .seconds
            .iter()
            .filter(|second| second.at.at_us > settled)
            .collect();
        if after.is_empty() {
            return Told::unclear("the examination ended before it could be told");
        }
        if let Some(flowing) = after.iter().find(|second| second.flowed) {
            return Told::healthy(format!(
                "{} came ({}), and {} still got media ({})",
                next.bot,
                of(told),
                first.bot,
                of(flowing.at)
            ));
        }
        let last = first.seconds.iter().rev().find(|second| second.flowed);
        let last = last
            .map(|second| second.at)
            .or(first.first_packet)
            .unwrap_or(told);
        Told::sick(
            format!(
                "{} got media until {} came: the last of it was {}, and none came after the offer to {} ({})",
                first.bot,
                next.bot,
                of(last),
                next.bot,
                of(told)
            ),
            "leave the peer connections of other viewers alone when one comes",
        )
    }

    pub(super) fn after_chat(&self) -> Told {
        let name = self.terms.dialect.name();
        if !name.has_chat() {
            return Told::not_asked(format!("{name} has no word for chat"));
        }
        let Some(chat) = self.came.chat else {
            return Told::not_asked("nobody said anything, because it did not get that far");
        };
        if self.came.role != Some(ClientRole::Host) {
            return self.again(2, "broadcaster that came back after a line of chat");
        }
        let Some(before) = self
            .exchange(BEFORE_CHAT - 1)
            .and_then(|exchange| exchange.offer.as_ref())
        else {
            return Told::not_asked(format!("see {}", ClientQuestion::Offers));
        };
        let after = self.exchange(BEFORE_CHAT);
        let Some((exchange, told)) = after.and_then(|exchange| Some((exchange, Self::heard_of(exchange)?)))
        else {
            return Told::unclear("the examination ended before the next viewer came");
        };
        match &exchange.offer {
            Some(offer) => Told::healthy(format!(
                "chat came to it ({}), and it offered to {} ({})",
                of(chat),
                exchange.bot,
                of(offer.at)
            )),
            None => self.missing(
                told,
                format!(
                    "it offered to a viewer ({}) before a line of chat came to it ({}), and not to {}, of whom it was told \
                     after that ({}), in {}",
                    of(before.at),
                    of(chat),
                    exchange.bot,
                    of(told),
                    self.within(told)
                ),
                "handle chat in the one handler of messages, or add a listener: a second assignment to onmessage takes the \
                 first one's place",
            ),
        }
    }
}
