//! Proves a dialect file against a recording: what each frame of it means. Pure; judges nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use greenroom_signaling::{Data, DialectFile, Explained};
use tokio::time::Instant;

use super::recording::{RecordedFrame, Side};

/// What became of a recording by a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// How many frames each message of the file explains, such as `client offer` or `server [[receive]] 2, answer`.
    pub explained: BTreeMap<String, usize>,
    /// The lines of the recording, from 1, that nothing explains.
    pub unexplained: Vec<usize>,
}

/// Holds each frame of a recording against a file, connection by connection.
pub fn prove(file: &Arc<DialectFile>, frames: &[RecordedFrame]) -> Proof {
    let start = Instant::now();
    let mut connections: HashMap<u64, Data> = HashMap::new();
    let mut proof = Proof::default();
    for (number, frame) in frames.iter().enumerate() {
        let follower = connections
            .entry(frame.connection)
            .or_insert_with(|| Data::new(Arc::clone(file), "unnamed".into()));
        let explained = match frame.from {
            Side::Client => follower.explain_sent(&frame.text),
            Side::Server => {
                follower.explain_received(start + Duration::from_millis(frame.at_ms), &frame.text)
            }
        };
        let by = match explained {
            Explained::Said(name) => format!("client {name}"),
            Explained::Told { place, .. } => {
                let event = file.receive.get(place).map(|receive| receive.event.to_string());
                format!("server [[receive]] {}, {}", place + 1, event.unwrap_or_default())
            }
            Explained::No => {
                proof.unexplained.push(number + 1);
                continue;
            }
        };
        *proof.explained.entry(by).or_default() += 1;
    }
    proof
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_explained_or_named_by_its_line() {
        let native = include_str!("../../../docs/dialects/native.toml");
        let file = Arc::new(super::super::file::parse(native, "native.toml".as_ref()).unwrap());
        let frame = |from, text: &str| RecordedFrame {
            connection: 1,
            at_ms: 0,
            from,
            text: text.to_owned(),
        };
        let frames = [
            frame(Side::Client, r#"{"type":"viewer","room":"r","protocol":1}"#),
            frame(
                Side::Server,
                r#"{"type":"broadcaster-joined","id":"b1","news":1}"#,
            ),
            frame(Side::Server, r#"{"type":"news"}"#),
            frame(Side::Client, r#"{"type":"news"}"#),
            frame(Side::Server, "no JSON"),
            frame(Side::Client, r#"{"type":"leave"}"#),
        ];
        let proof = prove(&file, &frames);
        assert_eq!(proof.unexplained, [3, 4, 5]);
        let explained: Vec<_> = proof.explained.keys().map(String::as_str).collect();
        assert_eq!(
            explained,
            [
                "client join.viewer",
                "client leave",
                "server [[receive]] 4, peer-joined"
            ]
        );
    }
}
