//! Servers that do not let everybody in: TLS that is trusted or not, and headers that they ask for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use greenroom::signaling::{Server, ServerConfig};
use greenroom::{Access, Report, Run, Verdict};
use greenroom_fixtures::Size;
use support::{ms, within};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, pki_types};

/// greenroom's server behind TLS, with a certificate for localhost that its own authority signed.
struct Secure {
    url: String,
    authority: PathBuf,
    _folder: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

impl Secure {
    async fn start() -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join("authority.pem");
        std::fs::write(&authority, signed.cert.pem()).unwrap();
        let key = pki_types::PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
        let server = Server::new(ServerConfig::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, server) = (acceptor.clone(), server.clone());
                connections.spawn(async move {
                    // A client that does not trust ends here.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        server.serve_connection(stream).await;
                    }
                });
            }
        });
        Self {
            url,
            authority,
            _folder: folder,
            _tasks: tasks,
        }
    }

    async fn run(&self, access: Access) -> Report {
        let run = Run::against(&self.url)
            .access(access)
            .viewers(1)
            .size(Size::SMALL);
        within(ms(60_000), run.duration(ms(1_000)).run()).await.unwrap()
    }
}

fn everything_said(report: &Report) -> String {
    let findings = report.findings.iter().map(|finding| finding.message.as_str());
    findings
        .chain([report.because.as_str()])
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_refused_with_the_reason_and_the_way_out() {
    let server = Secure::start().await;
    let report = server.run(Access::default()).await;
    assert_eq!(report.verdict, Verdict::Fail);
    let said = everything_said(&report);
    assert!(said.contains("is not trusted"), "{said}");
    assert!(
        said.contains("UnknownIssuer") || said.contains("CaUsedAsEndEntity"),
        "{said}"
    );
    assert!(
        said.contains("--ca FILE.pem") && said.contains("--insecure"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_authority_is_given_is_trusted() {
    let server = Secure::start().await;
    let report = server.run(Access::default().ca(&server.authority)).await;
    report.assert_passed();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_to_trusts_anybody() {
    let server = Secure::start().await;
    server.run(Access::default().insecure()).await.assert_passed();
}

#[tokio::test]
async fn a_file_without_certificates_is_an_error_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.pem");
    std::fs::write(&file, "nothing").unwrap();
    let run = Run::against("wss://localhost:1/").access(Access::default().ca(&file));
    let error = run.run().await.expect_err("no certificate is in it");
    assert!(error.is_bad_input());
    assert!(error.to_string().contains("empty.pem"), "{error}");
}

#[tokio::test]
async fn what_gets_bots_in_is_refused_where_there_is_no_door() {
    let error = Run::embedded().access(Access::default().bearer("x")).run().await;
    assert!(error.expect_err("the server is ours").is_bad_input());
}

/// A server that lets in who has the token and comes from the right page, and tells nobody else why not.
async fn guarded(headers: axum::http::HeaderMap) -> axum::http::StatusCode {
    let is = |name, value: &str| headers.get(name).is_some_and(|given| given == value);
    if is("authorization", "Bearer s3cret") && is("origin", "https://example.org") && is("x-room", "stage") {
        // Inside, and no WebSocket: that it was let in is all that is asked here.
        axum::http::StatusCode::IM_A_TEAPOT
    } else {
        axum::http::StatusCode::UNAUTHORIZED
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_origin_and_token_reach_the_server_and_not_the_report() {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/", axum::routing::any(guarded));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await });
    let run = |access: Access| {
        let run = Run::against(&url).access(access).viewers(1).size(Size::SMALL);
        within(ms(60_000), run.duration(ms(200)).run())
    };
    let shut_out = run(Access::default()).await.unwrap();
    assert!(everything_said(&shut_out).contains("answered HTTP 401"));
    let access = Access::default()
        .bearer("s3cret")
        .origin("https://example.org")
        .header("X-Room", "stage");
    let let_in = run(access).await.unwrap();
    assert!(
        everything_said(&let_in).contains("answered HTTP 418"),
        "{}",
        everything_said(&let_in)
    );
    let whole = serde_json::to_string(&let_in).unwrap();
    assert!(!whole.contains("s3cret"));
}
