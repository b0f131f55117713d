//! The client's handshake with servers that answer otherwise, or not at all. Builds without the `server` feature.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails by panicking, as the test does"
)]

use std::time::Duration;

use greenroom_signaling::{Client, ClientConfig, ClientError, ClientTarget, Dialect, DialectName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::handshake::server::{ErrorResponse, Request, Response},
};

fn target() -> ClientTarget {
    ClientTarget {
        url: "ws://greenroom.test:8080/ws".into(),
        headers: Vec::new(),
    }
}

fn native() -> Dialect {
    Dialect::native()
}

async fn refused_by(answer: &'static str) -> ClientError {
    let (near, mut far) = tokio::io::duplex(4 << 10);
    let server = async move {
        let mut request = [0; 1024];
        let _ = far.read(&mut request).await.unwrap();
        far.write_all(answer.as_bytes()).await.unwrap();
    };
    let (client, ()) = tokio::join!(
        Client::connect(near, target(), native(), ClientConfig::default()),
        server
    );
    client.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_101_is_told_with_its_status_and_what_to_do() {
    let error = refused_by("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n").await;
    let expected = ClientError::Refused {
        url: target().url,
        status: 404,
        body: "nope\n".into(),
    };
    assert_eq!(error, expected);
    let text = error.to_string();
    for part in [
        "ws://greenroom.test:8080/ws",
        "404",
        "expected 101",
        "check the path",
        "nope",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let busy = refused_by("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        .await
        .to_string();
    assert!(busy.contains("503") && busy.contains("retry later"), "{busy}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_websocket_or_no_http_is_told_apart() {
    let wrong =
        refused_by("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n").await;
    assert!(matches!(wrong, ClientError::Protocol { .. }), "{wrong:?}");
    let noise = refused_by("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    assert!(matches!(noise, ClientError::Protocol { .. }), "{noise:?}");
    let gone = refused_by("HTTP/1.1 101 Swit").await;
    assert!(matches!(gone, ClientError::Io { .. }), "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_the_handshake_is_given_up_after_five_seconds() {
    let (near, far) = tokio::io::duplex(4 << 10);
    let start = Instant::now();
    let error = Client::connect(near, target(), native(), ClientConfig::default())
        .await
        .unwrap_err();
    assert_eq!(
        error,
        ClientError::Timeout {
            url: target().url,
            limit: Duration::from_secs(5)
        }
    );
    assert_eq!(start.elapsed().as_secs(), 5);
    drop(far);
}

#[tokio::test]
async fn a_url_or_header_that_cannot_be_sent_is_refused_before_anything_is_written() {
    for (url, header) in [
        ("not a url", None),
        ("http://x/", None),
        ("ws://x/", Some(("bad name", "x"))),
    ] {
        let (near, mut far) = tokio::io::duplex(4 << 10);
        let headers = header
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let target = ClientTarget {
            url: url.into(),
            headers,
        };
        let error = Client::connect(near, target, native(), ClientConfig::default())
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Request { .. }), "{url}: {error:?}");
        assert_eq!(far.read(&mut [0; 16]).await.unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn extra_headers_reach_the_server() {
    let (near, mut far) = tokio::io::duplex(4 << 10);
    let headers = vec![("Origin".to_owned(), "http://evil.test".to_owned())];
    let target = ClientTarget { headers, ..target() };
    let request = async {
        let mut request = vec![0; 2048];
        let read = far.read(&mut request).await.unwrap();
        drop(far);
        String::from_utf8_lossy(&request[..read]).into_owned()
    };
    let (client, request) = tokio::join!(
        Client::connect(near, target, native(), ClientConfig::default()),
        request
    );
    client.unwrap_err();
    assert!(
        request.starts_with("GET /ws HTTP/1.1\r\nHost: greenroom.test:8080\r\n"),
        "{request}"
    );
    assert!(request.contains("Origin: http://evil.test\r\n"), "{request}");
}

/// What a Janus client gets of a server that chooses this subprotocol, and what it asked for.
async fn janus_from(
    chooses: Option<&'static str>,
    target: ClientTarget,
) -> (Result<(), ClientError>, String) {
    let (near, far) = tokio::io::duplex(4 << 10);
    let mut asked = String::new();
    #[expect(
        clippy::result_large_err,
        reason = "the library's callback returns its own answers"
    )]
    let choose = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let headers = request.headers().get_all("Sec-WebSocket-Protocol").iter();
        let headers: Vec<_> = headers.map(|header| header.to_str().unwrap()).collect();
        asked = headers.join("|");
        if let Some(chosen) = chooses {
            let header = chosen.parse().unwrap();
            response.headers_mut().insert("Sec-WebSocket-Protocol", header);
        }
        Ok(response)
    };
    let dialect = Dialect::named(DialectName::Janus, "viewer-1".into()).unwrap();
    let (client, _server) = tokio::join!(
        Client::connect(near, target, dialect, ClientConfig::default()),
        accept_hdr_async(far, choose)
    );
    (client.map(|_| ()), asked)
}

#[tokio::test(start_paused = true)]
async fn a_dialect_that_needs_a_subprotocol_asks_for_it_and_its_server_must_choose_it() {
    let (connected, asked) = janus_from(Some("janus-protocol"), target()).await;
    assert_eq!((connected, asked.as_str()), (Ok(()), "janus-protocol"));
    for another in [None, Some("chat")] {
        let (refused, _) = janus_from(another, target()).await;
        let error = refused.unwrap_err();
        assert!(matches!(error, ClientError::Subprotocol { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("\"janus-protocol\"") && text.contains("dialect"),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_subprotocol_that_the_caller_names_is_the_one_that_is_asked_for() {
    let header = (
        "Sec-WebSocket-Protocol".to_owned(),
        "janus-protocol, mine".to_owned(),
    );
    let target = ClientTarget {
        headers: vec![header],
        ..target()
    };
    let (connected, asked) = janus_from(Some("mine"), target).await;
    assert_eq!((connected, asked.as_str()), (Ok(()), "janus-protocol, mine"));
}
