//! How a test lets a client be examined, and reads its card.

use std::future::Future;
use std::time::Duration;

use greenroom::signaling::{DialectName, ServedDialect};
use greenroom::{Answer, Card, ClientDoctor, ClientQuestion};
use tokio::net::TcpListener;

use crate::support::within;

/// How long a client that does nothing may take for it. Bots and server answer in milliseconds.
const STEP: Duration = Duration::from_secs(3);

/// A doctor for clients of a dialect, and where they are to connect to.
pub(crate) async fn doctor(dialect: DialectName) -> (ClientDoctor, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = ServedDialect::try_from(dialect).unwrap();
    let doctor = ClientDoctor::new(listener, served);
    let url = format!("ws://{}/", doctor.address().unwrap());
    (doctor, url)
}

/// Examines a client that does what it does until it is told that it is over.
pub(crate) async fn card_of<F>(dialect: DialectName, client: impl FnOnce(String) -> F) -> Card<ClientQuestion>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (doctor, url) = doctor(dialect).await;
    let client = tokio::spawn(client(url));
    let doctor = doctor.step(STEP).patience(STEP);
    let card = within(Duration::from_secs(120), doctor.examine(std::future::pending())).await;
    client.abort();
    card.unwrap()
}

/// The cause of a question that has to be sick; everything that it has to say stands in it.
#[track_caller]
pub(crate) fn cause<'a>(card: &'a Card<ClientQuestion>, question: ClientQuestion, says: &[&str]) -> &'a str {
    let line = card
        .line(question)
        .unwrap_or_else(|| panic!("{question} is not asked: {card:#?}"));
    assert_eq!(line.answer, Answer::Sick, "{card:#?}");
    for part in says {
        assert!(line.cause.contains(part), "{part:?} is not in {:?}", line.cause);
    }
    assert!(line.fix.is_some());
    &line.cause
}

/// What is wrong, in the order of the card.
pub(crate) fn sick(card: &Card<ClientQuestion>) -> Vec<ClientQuestion> {
    let lines = card.lines.iter().filter(|line| line.answer == Answer::Sick);
    lines.map(|line| line.question).collect()
}
