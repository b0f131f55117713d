//! What a room costs the signaling server, without the sockets and the JSON around it.
//!
//! Inputs are made and outputs dropped outside the measurement.

use anyhow::{Result, ensure};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use greenroom_signaling::message::ClientMessage;
use greenroom_signaling::room::{Input, Output, Room, RoomLimits};
use greenroom_signaling::{Description, PeerId, Role, SdpType};

/// The broadcaster and its viewers.
const MEMBERS: u32 = 1_000;

/// An answer to one offered H.264 video, as a viewer sends it.
const ANSWER: &str = "v=0\r\n\
    o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0\r\n\
    a=msid-semantic: WMS\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 102 103\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:Jx4T\r\n\
    a=ice-pwd:5fM0vS2uYqOq1m8nRk7cWb3e\r\n\
    a=ice-options:trickle\r\n\
    a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n\
    a=setup:active\r\n\
    a=mid:0\r\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    a=recvonly\r\n\
    a=rtcp-mux\r\n\
    a=rtcp-rsize\r\n\
    a=rtpmap:102 H264/90000\r\n\
    a=rtcp-fb:102 transport-cc\r\n\
    a=rtcp-fb:102 nack\r\n\
    a=rtcp-fb:102 nack pli\r\n\
    a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n\
    a=rtpmap:103 rtx/90000\r\n\
    a=fmtp:103 apt=102\r\n";

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("room");
    join(&mut group)?;
    answer(&mut group)?;
    chat(&mut group)?;
    group.finish();
    criterion.final_summary();
    Ok(())
}

fn join(group: &mut BenchmarkGroup<'_, WallTime>) -> Result<()> {
    let room = room_of(MEMBERS)?;
    let newcomer = Input::Join {
        id: viewer(MEMBERS + 1),
        role: Role::Viewer,
    };
    check(&room, &newcomer, &[1, 1])?;
    // A room for each newcomer: the clock is read around every join, which adds about 25 ns to the figure.
    group.bench_function(BenchmarkId::new("join", MEMBERS), |bencher| {
        bencher.iter_batched(
            || (room.clone(), newcomer.clone()),
            |(mut room, newcomer)| (room.handle(newcomer), room),
            BatchSize::LargeInput,
        );
    });
    Ok(())
}

fn answer(group: &mut BenchmarkGroup<'_, WallTime>) -> Result<()> {
    let mut room = room_of(MEMBERS)?;
    let input = Input::Message {
        from: viewer(MEMBERS / 2),
        message: ClientMessage::Answer {
            to: broadcaster(),
            answer: Description {
                sdp_type: SdpType::Answer,
                sdp: ANSWER.to_owned(),
            },
        },
    };
    check(&room, &input, &[1])?;
    group.bench_function(BenchmarkId::new("answer", MEMBERS), |bencher| {
        bencher.iter_batched(
            || input.clone(),
            |input| room.handle(input),
            BatchSize::SmallInput,
        );
    });
    Ok(())
}

fn chat(group: &mut BenchmarkGroup<'_, WallTime>) -> Result<()> {
    let mut room = room_of(MEMBERS)?;
    let input = Input::Message {
        from: viewer(MEMBERS / 2),
        message: ClientMessage::Chat {
            message: "Is the sound a little late for anybody else?".to_owned(),
        },
    };
    check(&room, &input, &[MEMBERS as usize])?;
    group.throughput(Throughput::Elements(u64::from(MEMBERS)));
    group.bench_function(BenchmarkId::new("chat", MEMBERS), |bencher| {
        bencher.iter_batched(
            || input.clone(),
            |input| room.handle(input),
            BatchSize::LargeInput,
        );
    });
    Ok(())
}

/// A broadcaster and viewers under the names that a server would give them, `members` in all.
fn room_of(members: u32) -> Result<Room> {
    let mut room = Room::new("benchmark".parse()?, RoomLimits::default().members_per_room);
    room.handle(Input::Join {
        id: broadcaster(),
        role: Role::Broadcaster,
    });
    for number in 2..=members {
        room.handle(Input::Join {
            id: viewer(number),
            role: Role::Viewer,
        });
    }
    Ok(room)
}

fn broadcaster() -> PeerId {
    "b1".into()
}

fn viewer(number: u32) -> PeerId {
    format!("v{number}").into()
}

/// Refuses to measure an input that does not lead to messages for this many receivers each.
fn check(room: &Room, input: &Input, receivers: &[usize]) -> Result<()> {
    let outputs = room.clone().handle(input.clone());
    let got: Vec<usize> = outputs
        .iter()
        .map(|output| match output {
            Output::Send { to, .. } => to.len(),
            Output::Reject { .. } | Output::Close { .. } => 0,
        })
        .collect();
    ensure!(
        got == receivers,
        "expected messages for {receivers:?} receivers, got {outputs:?}"
    );
    Ok(())
}
