//! A client of WHIP against servers that answer, redirect, say too much or nothing. No socket is opened.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails by panicking, as the test does"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use greenroom_signaling::{
    Candidate, Client, ClientConfig, ClientEvents, ClientHandle, ClientTarget, CloseReason, Command,
    Description, Dialect, DialectName, Event, HttpObserver, HttpPart, Role, SdpType,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};

/// The head and body of a request, and the URL that was dialed for it.
#[derive(Clone, Debug)]
struct Asked {
    dialed: String,
    text: String,
}

type Log = Arc<Mutex<Vec<Asked>>>;

async fn read_request(stream: &mut DuplexStream) -> String {
    let (mut text, mut chunk) = (String::new(), [0; 4_096]);
    loop {
        let read = stream.read(&mut chunk).await.unwrap();
        text.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        if body.len() >= length || read == 0 {
            return text;
        }
    }
}

/// A client of a server that answers each request by a function; an empty answer is silence.
fn client(
    config: ClientConfig,
    answer: impl Fn(&str) -> String + Send + Sync + 'static,
) -> (ClientHandle, ClientEvents, Log) {
    let log = Log::default();
    let (seen, answer) = (Arc::clone(&log), Arc::new(answer));
    let dial = move |dialed: String| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        async move {
            let (near, mut far) = tokio::io::duplex(64 << 10);
            tokio::spawn(async move {
                let text = read_request(&mut far).await;
                seen.lock().unwrap().push(Asked {
                    dialed,
                    text: text.clone(),
                });
                let answer = answer(&text);
                if answer.is_empty() {
                    return std::future::pending().await;
                }
                // Whoever has read enough closes.
                let _ = far.write_all(answer.as_bytes()).await;
            });
            Ok::<_, std::io::Error>(near)
        }
    };
    let target = ClientTarget {
        url: "http://greenroom.test/whip/live?key=1".into(),
        headers: vec![("Authorization".into(), "Bearer s3cret".into())],
    };
    let dialect = Dialect::named(DialectName::Whip, "broadcaster".into()).unwrap();
    let (handle, events) = Client::over_http(dial, target, dialect, &config);
    (handle, events, log)
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn created(location: &str) -> String {
    let headers = format!("Content-Type: application/sdp\r\nLocation: {location}\r\nETag: \"1\"\r\n");
    response("201 Created", &headers, "v=0\r\n")
}

fn offer() -> Command {
    Command::Description {
        to: Some("whip".into()),
        description: Description {
            sdp_type: SdpType::Offer,
            sdp: "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"
                .into(),
        },
    }
}

fn join(handle: &ClientHandle) {
    let room = "r".parse().unwrap();
    let role = Role::Broadcaster;
    handle.send(Command::Join { room, role }).unwrap();
    handle.send(offer()).unwrap();
}

async fn next(events: &mut ClientEvents) -> Event {
    let event = timeout(Duration::from_secs(120), events.next()).await;
    event.expect("an event in time").expect("not ended").event
}

/// The first event after those of the join.
async fn after_join(events: &mut ClientEvents) -> Event {
    assert!(matches!(next(events).await, Event::Joined { .. }));
    assert!(matches!(next(events).await, Event::PeerJoined { .. }));
    next(events).await
}

#[tokio::test(start_paused = true)]
async fn a_session_is_opened_told_its_candidates_and_ended_with_its_client() {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let observed = Arc::clone(&seen);
    let observer = HttpObserver::new(move |http| {
        let what = match http.message {
            HttpPart::Request { method, .. } => method.to_owned(),
            HttpPart::Response { status, .. } => status.to_string(),
            HttpPart::Failed { reason } => reason.to_owned(),
        };
        let line = format!("{} {what}: {}", http.exchange, http.means.join(" "));
        observed.lock().unwrap().push(line);
    });
    let config = ClientConfig {
        http_observer: Some(observer),
        ..ClientConfig::default()
    };
    let (handle, mut events, log) = client(config, |request| match request.split(' ').next() {
        Some("POST") => created("/session/7"),
        Some("PATCH") => response("204 No Content", "", ""),
        _ => response("200 OK", "", ""),
    });
    join(&handle);
    let event = after_join(&mut events).await;
    assert!(
        matches!(&event, Event::Description { description, .. } if description.sdp_type == SdpType::Answer),
        "{event:?}"
    );
    let candidate = Candidate {
        candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host".into(),
        ..Candidate::default()
    };
    handle.send(Command::Candidate { to: None, candidate }).unwrap();
    drop(handle);
    assert_eq!(next(&mut events).await, Event::Closed(CloseReason::Local));

    let log = log.lock().unwrap();
    let lines: Vec<_> = log
        .iter()
        .map(|asked| asked.text.lines().next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "POST /whip/live?key=1 HTTP/1.1",
            "PATCH /session/7 HTTP/1.1",
            "DELETE /session/7 HTTP/1.1"
        ]
    );
    assert!(log[1].text.contains("if-match: \"1\"") && log[1].text.contains("a=candidate:1 1 udp"));
    assert!(!log[2].text.contains("if-match"));
    assert!(
        log.iter()
            .all(|asked| asked.text.contains("authorization: Bearer s3cret"))
    );

    let seen = seen.lock().unwrap();
    assert!(
        seen[0].contains("POST") && seen[0].contains(r#""type":"offer""#),
        "{seen:?}"
    );
    assert!(
        seen[1].contains("201") && seen[1].contains(r#""type":"answer""#),
        "{seen:?}"
    );
    let number = |line: &String| line.split(' ').next().map(str::to_owned);
    assert_eq!(number(&seen[0]), number(&seen[1]));
    assert!(
        seen.iter()
            .any(|line| line.contains("PATCH") && line.contains(r#""type":"candidate""#))
    );
    // Nobody said that it leaves: its session ends with it all the same.
    assert!(seen.iter().any(|line| line.ends_with("DELETE: ")), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_307_is_followed_without_the_token_to_strangers_and_a_301_is_not() {
    let (handle, mut events, log) = client(ClientConfig::default(), |request| {
        if request.contains("host: elsewhere.test") {
            created("session/7")
        } else {
            response(
                "307 Temporary Redirect",
                "Location: http://elsewhere.test/a/b\r\n",
                "",
            )
        }
    });
    join(&handle);
    assert!(matches!(after_join(&mut events).await, Event::Description { .. }));
    {
        let log = log.lock().unwrap();
        assert_eq!(log[1].dialed, "http://elsewhere.test/a/b");
        assert!(log[0].text.contains("s3cret") && !log[1].text.contains("s3cret"));
        assert!(log[1].text.starts_with("POST ") && log[1].text.ends_with("a=ice-pwd:p\r\n"));
    }
    drop(handle);
    assert_eq!(next(&mut events).await, Event::Closed(CloseReason::Local));
    assert_eq!(log.lock().unwrap()[2].dialed, "http://elsewhere.test/a/session/7");

    let (handle, mut events, log) = client(ClientConfig::default(), |_| {
        response("301 Moved Permanently", "Location: /elsewhere\r\n", "")
    });
    join(&handle);
    let event = after_join(&mut events).await;
    assert!(
        matches!(&event, Event::Error { code, message, .. }
            if code.as_str() == "http-301" && message.contains("307")),
        "{event:?}"
    );
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_redirects_forever_says_too_much_or_nothing_is_a_failure_with_its_reason() {
    let around = response("307 Temporary Redirect", "Location: /again\r\n", "");
    let long = response(
        "201 Created",
        "Content-Type: application/sdp\r\n",
        &"x".repeat(2 << 20),
    );
    for (answer, reason) in [
        (around, "redirects"),
        (long, "cannot be read"),
        (String::new(), "nothing within 10000 ms"),
        (
            "not HTTP at all\r\n\r\n".to_owned(),
            "http://greenroom.test/whip/live",
        ),
    ] {
        let (handle, mut events, _) = client(ClientConfig::default(), move |_| answer.clone());
        join(&handle);
        match after_join(&mut events).await {
            Event::Error { code, message, .. } if code.as_str() == "http-failed" => {
                assert!(message.contains(reason) || reason == "redirects", "{message}");
                assert!(!message.contains("key=1"), "{message}");
            }
            // The last redirect of too many is an answer as any other.
            Event::Error { code, .. } if code.as_str() == "http-307" && reason == "redirects" => {}
            event => panic!("{event:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_is_an_error_and_a_client_that_is_cut_is_gone() {
    let (handle, mut events, _) = client(ClientConfig::default(), |_| String::new());
    join(&handle);
    handle.send(Command::Chat { text: "hi".into() }).unwrap();
    let event = after_join(&mut events).await;
    assert!(
        matches!(&event, Event::Error { message, .. } if message.contains("whip has no word for chat")),
        "{event:?}"
    );
    handle.abort();
    assert_eq!(next(&mut events).await, Event::Closed(CloseReason::Aborted));
}
