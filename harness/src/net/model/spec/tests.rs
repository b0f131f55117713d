use super::*;

#[track_caller]
fn refused(json: &str, expect: &str) {
    let message = match serde_json::from_str::<LinkSpec>(json) {
        Ok(spec) => spec
            .validate()
            .map_or_else(|error| error.to_string(), |()| "accepted".to_owned()),
        Err(error) => error.to_string(),
    };
    assert!(message.contains(expect), "{message:?} should say {expect:?}");
}

#[test]
fn the_default_link_is_perfect_and_valid() {
    let spec: LinkSpec = serde_json::from_str("{}").unwrap();
    assert_eq!(spec, LinkSpec::default());
    spec.validate().unwrap();
    assert_eq!(spec.loss.long_run(), 0.0);
}

#[test]
fn a_link_survives_its_serialized_form() {
    let json = r#"{"loss":{"gilbert-elliott":{"enter":0.01,"leave":0.25}},"delay_ms":20,"jitter_ms":0.3,
        "reorder":true,"duplicate":0.001,"corrupt":0.002,"rate_kbps":300,"queue_bytes":4000,"mtu":1280}"#;
    let spec: LinkSpec = serde_json::from_str(json).unwrap();
    assert_eq!(spec.delay, Duration::from_millis(20));
    assert_eq!(spec.jitter, Duration::from_micros(300));
    let Loss::GilbertElliott {
        loss_good, loss_bad, ..
    } = spec.loss
    else {
        panic!("{:?} is not what was written", spec.loss);
    };
    assert_eq!((loss_good, loss_bad), (0.0, 1.0));
    let text = serde_json::to_string(&spec).unwrap();
    assert!(text.contains("\"delay_ms\":20,"), "{text}");
    assert_eq!(serde_json::from_str::<LinkSpec>(&text).unwrap(), spec);
}

#[test]
fn a_loss_is_a_number_or_a_table() {
    for json in [r#"{"loss":0.5}"#, r#"{"loss":{"independent":{"share":0.5}}}"#] {
        let spec: LinkSpec = serde_json::from_str(json).unwrap();
        assert_eq!(spec.loss, Loss::Independent { share: 0.5 });
    }
    let spec: LinkSpec = serde_json::from_str(r#"{"loss":1}"#).unwrap();
    assert_eq!(spec.loss.long_run(), 1.0);
}

#[test]
fn every_number_that_cannot_work_is_refused_with_what_would() {
    refused(r#"{"loss":1.5}"#, "loss is 1.5; expected a share from 0 to 1");
    refused(r#"{"loss":-1}"#, "from 0 to 1");
    refused(
        r#"{"loss":{"gilbert-elliott":{"enter":2,"leave":0.5}}}"#,
        "loss.gilbert-elliott.enter is 2",
    );
    refused(r#"{"loss":{"gilbert-elliot":{}}}"#, "gilbert-elliott");
    refused(r#"{"loss":"much"}"#, "a share from 0 to 1");
    refused(r#"{"duplicate":1.01}"#, "duplicate is 1.01");
    refused(r#"{"corrupt":-0.1}"#, "corrupt is -0.1");
    refused(r#"{"delay_ms":-1}"#, "0 to 60000");
    refused(r#"{"delay_ms":60001}"#, "delay_ms is 60001");
    refused(r#"{"jitter_ms":1e9}"#, "jitter_ms");
    refused(r#"{"rate_kbps":0}"#, "leave it out");
    refused(r#"{"queue_bytes":67108865}"#, "64 MiB");
    refused(r#"{"mtu":67}"#, "68 to 65535");
    refused(r#"{"latency_ms":20}"#, "latency_ms");
}

#[test]
fn the_long_run_loss_of_bursts_is_the_share_of_the_bad_state_times_its_loss() {
    let loss = |enter, leave, loss_good, loss_bad| {
        Loss::GilbertElliott {
            enter,
            leave,
            loss_good,
            loss_bad,
        }
        .long_run()
    };
    assert!((loss(0.01, 0.19, 0.0, 1.0) - 0.05).abs() < 1e-12);
    assert!((loss(0.1, 0.1, 0.02, 0.5) - 0.26).abs() < 1e-12);
    assert_eq!(loss(0.0, 0.0, 0.03, 1.0), 0.03);
}
