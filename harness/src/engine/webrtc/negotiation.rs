//! Offers, answers and candidates of one connection: what a command makes of the stack's descriptions.
//!
//! Owns the order in which things are applied and told. Which side yields when both offer is the bots' to decide.

use greenroom_signaling::{Candidate, Description};
use rtc::peer_connection::configuration::RTCOfferOptions;
use webrtc::error::Error;
use webrtc::peer_connection::RTCSessionDescription;

use super::connection::ConnectionTask;
use super::mapping::{self, LocalIce};
use super::setup;
use crate::engine::{EngineEventKind, MediaDirection};

/// Remote candidates that may wait for the remote description.
const MAX_EARLY_CANDIDATES: usize = 64;

impl ConnectionTask {
    pub(super) async fn make_offer(&mut self) -> Result<(), Error> {
        let receives_only = matches!(self.direction, MediaDirection::Receive { .. });
        if receives_only && self.connection.get_transceivers().await.is_empty() {
            setup::add_receivers(&self.connection).await?;
        }
        self.offer(None).await
    }

    pub(super) async fn make_answer(&mut self, mut offer: Description) -> Result<(), Error> {
        // The stack would answer with a track of its own that only receives (docs/engine.md).
        if matches!(self.direction, MediaDirection::Send { .. }) {
            offer.sdp = mapping::receives_only(&offer.sdp);
        }
        let announced = offer.sdp.contains("a=ice-options:");
        self.set_remote(offer).await?;
        let answer = self.connection.create_answer(None).await?;
        self.set_local(answer, announced).await?;
        self.negotiated().await
    }

    pub(super) async fn apply_answer(&mut self, answer: Description) -> Result<(), Error> {
        self.set_remote(answer).await?;
        self.negotiated().await
    }

    pub(super) async fn roll_back(&mut self) -> Result<(), Error> {
        if self.connection.pending_local_description().await.is_none() {
            return Err(Error::Other(
                "no offer of this side is open; expected have-local-offer".to_owned(),
            ));
        }
        self.connection
            .set_local_description(RTCSessionDescription::rollback(None)?)
            .await?;
        self.gathers = false;
        self.outlet.send(EngineEventKind::RolledBack).await;
        Ok(())
    }

    pub(super) async fn restart_ice(&mut self) -> Result<(), Error> {
        if self.connection.current_remote_description().await.is_none() {
            return Err(Error::Other(
                "nothing is negotiated yet; expected a connection with an answer".to_owned(),
            ));
        }
        self.offer(Some(RTCOfferOptions { ice_restart: true })).await
    }

    async fn offer(&mut self, options: Option<RTCOfferOptions>) -> Result<(), Error> {
        // The stack would make the offer, which would be signaled, and only then refuse to apply it.
        if self.connection.pending_remote_description().await.is_some() {
            return Err(Error::Other(
                "an offer of the other side waits for its answer; expected the stable state".to_owned(),
            ));
        }
        let offer = self.connection.create_offer(options).await?;
        self.set_local(offer, true).await
    }

    /// Offer and answer are applied: the tracks learn what they settled on.
    async fn negotiated(&mut self) -> Result<(), Error> {
        for track in self.outgoing.iter_mut().flatten() {
            track.negotiated().await?;
        }
        Ok(())
    }

    async fn set_local(
        &mut self,
        description: RTCSessionDescription,
        announces_trickle: bool,
    ) -> Result<(), Error> {
        let mut signaled = mapping::from_stack(&description);
        signaled.sdp = self.wording.of(&signaled.sdp, announces_trickle);
        self.local_ice = LocalIce::of(&signaled.sdp);
        self.gathers = true;
        // Signaled before it is applied: candidates follow at once and must not overtake it (RFC 8838 section 4.3).
        self.outlet
            .send(EngineEventKind::LocalDescription(signaled))
            .await;
        self.connection.set_local_description(description).await
    }

    async fn set_remote(&mut self, description: Description) -> Result<(), Error> {
        self.connection
            .set_remote_description(mapping::to_stack(description)?)
            .await?;
        self.remote_applied = true;
        self.outlet.send(EngineEventKind::RemoteDescriptionApplied).await;
        while let Some(candidate) = self.early.pop_front() {
            self.add_candidate(candidate).await?;
        }
        Ok(())
    }

    pub(super) async fn add_candidate(&mut self, candidate: Candidate) -> Result<(), Error> {
        if self.remote_applied {
            let candidate = mapping::candidate_to_stack(candidate);
            let added = self.connection.add_ice_candidate(candidate).await;
            self.connecting.nudge();
            return added;
        }
        if self.early.len() == MAX_EARLY_CANDIDATES {
            return Err(Error::Other(format!(
                "more than {MAX_EARLY_CANDIDATES} candidates before a description"
            )));
        }
        self.early.push_back(candidate);
        self.outlet.send(EngineEventKind::CandidateQueued).await;
        Ok(())
    }
}
