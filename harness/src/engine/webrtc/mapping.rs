//! Between the stack's types and the engine's: descriptions, candidates, states, statistics.
//!
//! Owns no state. What the stack leaves out of its candidates (mid, username fragment) is filled in
//! here from the local description, because a strict peer refuses a candidate without them.

use greenroom_signaling::{Candidate, Description, SdpType};
use rtc::peer_connection::transport::RTCIceCandidateInit;
use webrtc::error::Result;
use webrtc::peer_connection::{
    RTCIceConnectionState, RTCPeerConnectionState, RTCSdpType, RTCSessionDescription, RTCStatsReport,
    RTCStatsReportEntry,
};

use crate::engine::{ConnectionState, ConnectionStats, IceConnectionState};

pub(super) fn to_stack(description: Description) -> Result<RTCSessionDescription> {
    match description.sdp_type {
        SdpType::Offer => RTCSessionDescription::offer(description.sdp),
        SdpType::Answer => RTCSessionDescription::answer(description.sdp),
        SdpType::Pranswer => RTCSessionDescription::pranswer(description.sdp),
        SdpType::Rollback => RTCSessionDescription::rollback(Some(description.sdp)),
    }
}

pub(super) fn from_stack(description: &RTCSessionDescription) -> Description {
    let sdp_type = match description.sdp_type {
        RTCSdpType::Answer => SdpType::Answer,
        RTCSdpType::Pranswer => SdpType::Pranswer,
        RTCSdpType::Rollback => SdpType::Rollback,
        _ => SdpType::Offer,
    };
    Description {
        sdp_type,
        sdp: description.sdp.clone(),
    }
}

/// An offer as it concerns a side that only sends: of `a=sendrecv` just the half that receives (RFC 3264 section 6.1 lets
/// a sendrecv stream be answered with sendonly).
pub(super) fn receives_only(offer: &str) -> String {
    offer.replace("\na=sendrecv", "\na=recvonly")
}

/// What the stack's descriptions lack on the wire, put right before they are signaled (docs/engine.md).
#[derive(Debug, Default)]
pub(super) struct Wording {
    version: u64,
    last: String,
}

impl Wording {
    /// The text to signal: its version counts (RFC 9429 section 5.2.2), and it announces that candidates are trickled
    /// (section 5.2.1) unless it answers an offer that did not.
    pub(super) fn of(&mut self, sdp: &str, announces_trickle: bool) -> String {
        let mut worded = String::with_capacity(sdp.len() + 64);
        let has_options = sdp.contains("a=ice-options:");
        let mut announced = has_options || !announces_trickle;
        let origin = |line: &str| {
            line.strip_prefix("o=")
                .map(|rest| rest.split(' ').map(str::to_owned).collect::<Vec<_>>())
        };
        let mut version_at = None;
        for line in sdp.split_inclusive('\n') {
            if line.starts_with("m=") && !announced {
                worded.push_str("a=ice-options:trickle ice2\r\n");
                announced = true;
            }
            match origin(line) {
                Some(fields) if fields.len() == 6 => {
                    worded.push_str(&format!("o={} {} ", fields[0], fields[1]));
                    version_at = Some(worded.len());
                    worded.push_str(&format!(" {} {} {}", fields[3], fields[4], fields[5]));
                }
                _ => worded.push_str(line),
            }
        }
        if worded != self.last {
            self.version += 1;
            self.last.clone_from(&worded);
        }
        if let Some(at) = version_at {
            worded.insert_str(at, &self.version.to_string());
        }
        worded
    }
}

pub(super) fn candidate_to_stack(candidate: Candidate) -> RTCIceCandidateInit {
    RTCIceCandidateInit {
        candidate: candidate.candidate,
        sdp_mid: candidate.sdp_mid,
        sdp_mline_index: candidate.sdp_m_line_index,
        username_fragment: candidate.username_fragment,
        url: None,
    }
}

/// The mid of the first m-section and the ICE username fragment of a local description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LocalIce {
    pub(super) mid: Option<String>,
    pub(super) username_fragment: Option<String>,
}

impl LocalIce {
    pub(super) fn of(sdp: &str) -> Self {
        let value = |name: &str| {
            sdp.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
        };
        Self {
            mid: value("a=mid:"),
            username_fragment: value("a=ice-ufrag:"),
        }
    }

    /// A local candidate as it goes on the wire. With BUNDLE all sections share the first one's transport.
    pub(super) fn candidate(&self, init: RTCIceCandidateInit) -> Candidate {
        let filled = |given: Option<String>, known: &Option<String>| {
            given.filter(|value| !value.is_empty()).or_else(|| known.clone())
        };
        Candidate {
            candidate: init.candidate,
            sdp_mid: filled(init.sdp_mid, &self.mid),
            sdp_m_line_index: Some(init.sdp_mline_index.unwrap_or(0)),
            username_fragment: filled(init.username_fragment, &self.username_fragment),
        }
    }
}

pub(super) fn ice_state(state: RTCIceConnectionState) -> IceConnectionState {
    match state {
        RTCIceConnectionState::Checking => IceConnectionState::Checking,
        RTCIceConnectionState::Connected => IceConnectionState::Connected,
        RTCIceConnectionState::Completed => IceConnectionState::Completed,
        RTCIceConnectionState::Disconnected => IceConnectionState::Disconnected,
        RTCIceConnectionState::Failed => IceConnectionState::Failed,
        RTCIceConnectionState::Closed => IceConnectionState::Closed,
        _ => IceConnectionState::New,
    }
}

pub(super) fn connection_state(state: RTCPeerConnectionState) -> ConnectionState {
    match state {
        RTCPeerConnectionState::Connecting => ConnectionState::Connecting,
        RTCPeerConnectionState::Connected => ConnectionState::Connected,
        RTCPeerConnectionState::Disconnected => ConnectionState::Disconnected,
        RTCPeerConnectionState::Failed => ConnectionState::Failed,
        RTCPeerConnectionState::Closed => ConnectionState::Closed,
        _ => ConnectionState::New,
    }
}

pub(super) fn stats(report: &RTCStatsReport) -> ConnectionStats {
    let mut stats = ConnectionStats::default();
    for entry in report.iter() {
        match entry {
            RTCStatsReportEntry::OutboundRtp(outbound) => {
                stats.packets_sent += outbound.sent_rtp_stream_stats.packets_sent;
                stats.bytes_sent += outbound.sent_rtp_stream_stats.bytes_sent;
                stats.nack_count += u64::from(outbound.nack_count);
                stats.pli_count += u64::from(outbound.pli_count);
            }
            RTCStatsReportEntry::InboundRtp(inbound) => {
                stats.nack_count += u64::from(inbound.nack_count);
                stats.pli_count += u64::from(inbound.pli_count);
            }
            _ => {}
        }
    }
    stats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_without_mid_and_ufrag_gets_those_of_the_local_description() {
        let ice = LocalIce::of("v=0\r\na=ice-ufrag:abcd\r\nm=video 9 UDP 102\r\na=mid:0\r\n");
        let wire = ice.candidate(RTCIceCandidateInit {
            candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host".to_owned(),
            sdp_mid: Some(String::new()),
            ..RTCIceCandidateInit::default()
        });
        assert_eq!(wire.sdp_mid.as_deref(), Some("0"));
        assert_eq!(wire.username_fragment.as_deref(), Some("abcd"));
        assert_eq!(wire.sdp_m_line_index, Some(0));
    }

    #[test]
    fn a_candidate_that_names_its_mid_keeps_it() {
        let ice = LocalIce {
            mid: Some("0".to_owned()),
            username_fragment: None,
        };
        let init = RTCIceCandidateInit {
            sdp_mid: Some("1".to_owned()),
            ..RTCIceCandidateInit::default()
        };
        assert_eq!(ice.candidate(init).sdp_mid.as_deref(), Some("1"));
    }

    #[test]
    fn a_description_is_worded_for_the_wire() {
        let mut wording = Wording::default();
        let offer = "v=0\r\no=- 7 99999 IN IP4 127.0.0.1\r\ns=-\r\nm=video 9 X 102\r\na=mid:0\r\n";
        let first = wording.of(offer, true);
        assert!(first.contains("o=- 7 1 IN IP4 127.0.0.1\r\n"), "{first}");
        assert!(
            first.contains("s=-\r\na=ice-options:trickle ice2\r\nm=video"),
            "{first}"
        );
        assert_eq!(
            wording.of(&offer.replace("99999", "100001"), true),
            first,
            "the same text keeps its version"
        );
        let second = wording.of(&offer.replace("mid:0", "mid:1"), true);
        assert!(second.contains("o=- 7 2 IN"), "{second}");
        assert!(!wording.of(offer, false).contains("ice-options"));
    }
}
