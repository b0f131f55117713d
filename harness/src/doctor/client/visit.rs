//! The bots beside the client, and what they do one after the other.
//!
//! Owns the script for each kind of client. It judges nothing: a step that does not come has had its time, and the next
//! one follows as far as it makes sense.

use std::time::Duration;

use greenroom_fixtures::Size;
use tokio::time::Instant;

use super::exchange::{Came, Exchange};
use super::watch::Watch;
use super::{ClientRole, Terms};
use crate::dialect::DialectChoice;
use crate::rules::RuleFinding;
use crate::run::{Run, RunError, RunHandle};
use crate::scenario::{AudioSource, DecodeSelection, RoleSelection, Scenario};

/// How long after another viewer's offer media that is on its way does not count any more.
pub(super) const SETTLED: Duration = Duration::from_millis(1_500);
/// How long the first viewer is looked at after that.
const LOOKED_AT: Duration = Duration::from_millis(4_500);
/// How long a peer has to call as soon as it is there, and to send all its candidates. Whoever does calls nobody, and is
/// called in return: both at once would be a matter of milliseconds, and its card another one each time.
const CALLS: Duration = Duration::from_secs(1);
/// Far more than everything below takes.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A visit in progress.
struct Visit<'a> {
    watch: &'a Watch,
    handle: RunHandle,
    came: Came,
    step: Duration,
}

/// Lets the bots in; gives the rules that were broken.
pub(super) async fn visit(
    url: &str,
    watch: &Watch,
    role: ClientRole,
    terms: Terms,
) -> Result<Vec<RuleFinding>, RunError> {
    if role == ClientRole::Peer {
        watch.kept().until(Instant::now() + CALLS, |_| false).await;
    }
    watch.freeze();
    let run = Run::against(url)
        .scenario(scenario(role, terms))
        .noted_in(watch.clock(), watch.trace());
    let mut visit = Visit {
        watch,
        handle: run.start().await?,
        came: Came::of(&[], Some(role)),
        step: terms.step,
    };
    let has_chat = terms.dialect.name().has_chat();
    match role {
        ClientRole::Host => visit.host(has_chat).await,
        ClientRole::Viewer => visit.viewer(has_chat).await,
        ClientRole::Peer => {
            visit.until(0, Exchange::is_connected).await;
        }
    }
    visit.handle.interrupt();
    Ok(visit.handle.finish().await?.rules)
}

fn scenario(role: ClientRole, terms: Terms) -> Scenario {
    let mut scenario = Scenario {
        dialect: DialectChoice::from(terms.dialect.name()),
        role: match role {
            ClientRole::Host => RoleSelection::Viewers,
            ClientRole::Viewer | ClientRole::Peer => RoleSelection::Broadcaster,
        },
        duration: LONGEST,
        decode: DecodeSelection::None,
        ..Scenario::default()
    };
    scenario.media.size = Size::SMALL;
    scenario.media.audio = AudioSource::None;
    scenario.rooms.iter_mut().for_each(|room| room.viewers = 1);
    scenario
}

impl Visit<'_> {
    async fn host(&mut self, has_chat: bool) {
        let flows = self.until(0, Exchange::has_media).await;
        if !self.is(0, Exchange::is_offered) {
            return;
        }
        self.handle.join_viewer();
        if flows {
            self.until(1, Exchange::has_media).await;
            let looked_at = Instant::now() + LOOKED_AT;
            self.watch.kept().until(looked_at, |_| false).await;
        } else {
            self.until(1, Exchange::is_offered).await;
        }
        if !has_chat || !self.is(1, Exchange::is_offered) {
            return;
        }
        self.handle.viewer(1).chat("is anybody there?");
        self.hears_chat().await;
        self.handle.join_viewer();
        self.until(2, Exchange::is_offered).await;
    }

    async fn viewer(&mut self, has_chat: bool) {
        if !self.until(0, Exchange::is_connected).await {
            return;
        }
        self.come_back();
        if !self.until(1, Exchange::is_connected).await || !has_chat {
            return;
        }
        self.handle.broadcaster().chat("is anybody there?");
        self.hears_chat().await;
        self.come_back();
        self.until(2, Exchange::is_connected).await;
    }

    fn come_back(&self) {
        let broadcaster = self.handle.broadcaster();
        broadcaster.leave();
        broadcaster.come_back();
    }

    async fn hears_chat(&mut self) {
        self.wait_for(|came| came.chat.is_some()).await;
    }

    /// Waits for a step of an exchange; says whether it came in time.
    async fn until(&mut self, number: usize, is: fn(&Exchange) -> bool) -> bool {
        self.wait_for(|came| came.exchanges.get(number).is_some_and(is))
            .await
    }

    async fn wait_for(&mut self, has: impl Fn(&Came) -> bool) -> bool {
        let deadline = Instant::now() + self.step;
        let came = &mut self.came;
        let has = |events: &[_]| {
            came.read(events);
            has(came)
        };
        self.watch.kept().until(deadline, has).await
    }

    fn is(&mut self, number: usize, is: fn(&Exchange) -> bool) -> bool {
        self.came.read(&self.watch.kept().events());
        self.came.exchanges.get(number).is_some_and(is)
    }
}
