//! What the stack calls back with: handed over to the connection's task at once, and nothing else.
//!
//! Owns the bridge and its bound; a slow handler would stall the connection that it is called on.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;
use webrtc::data_channel::DataChannel;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceConnectionState, RTCIceGatheringState, RTCPeerConnectionIceEvent,
    RTCPeerConnectionState,
};

/// Callbacks that may wait for the task; there are a few dozen in a connection's life.
pub(super) const CAPACITY: usize = 256;

/// What the stack calls back with, on its own task: it is handed over and nothing else.
pub(super) enum Callback {
    Candidate(Box<RTCPeerConnectionIceEvent>),
    GatheringComplete,
    Ice(RTCIceConnectionState),
    Connection(RTCPeerConnectionState),
    Track(Arc<dyn TrackRemote>),
    Data(Arc<dyn DataChannel>),
}

pub(super) struct Callbacks(pub(super) mpsc::Sender<(Instant, Callback)>);

impl Callbacks {
    fn hand_over(&self, callback: Callback) {
        if self.0.try_send((Instant::now(), callback)).is_err() {
            log::debug!("a stack callback came after the connection had ended");
        }
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Callbacks {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        self.hand_over(Callback::Candidate(Box::new(event)));
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.hand_over(Callback::GatheringComplete);
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        self.hand_over(Callback::Ice(state));
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.hand_over(Callback::Connection(state));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        self.hand_over(Callback::Track(track));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        self.hand_over(Callback::Data(channel));
    }
}
