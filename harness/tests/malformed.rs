//! Malformed inputs of every kind: each is refused with exit code 104, the problem and the remedy.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there, also in its helpers"
)]

mod support;

use std::time::Duration;

use support::command::{finish, greenroom, text};

/// Each malformed input, and what the message must say: the problem, and what to do.
#[test]
fn malformed_inputs_are_refused_with_104_the_problem_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("empty.y4m", b"");
    write("text.y4m", b"this is no video\n");
    write("huge.y4m", b"YUV4MPEG2 W100000 H100000 F30:1 Ip C420jpeg\n");
    write(
        "wrap.y4m",
        b"YUV4MPEG2 W18446744073709551615 H2 F30:1 Ip C420jpeg\n",
    );
    write("rate.y4m", b"YUV4MPEG2 W64 H64 F0:0 Ip C420jpeg\n");
    write("interlaced.y4m", b"YUV4MPEG2 W64 H64 F30:1 It C420jpeg\n");
    write("deep.y4m", b"YUV4MPEG2 W64 H64 F30:1 Ip C420p10\n");
    write("wide.y4m", b"YUV4MPEG2 W64 H64 F30:1 Ip C444\n");
    write("bare.y4m", b"YUV4MPEG2 W64 H64 F30:1 Ip C420jpeg\n");
    let mut cut = b"YUV4MPEG2 W64 H64 F30:1 Ip C420jpeg\nFRAME\n".to_vec();
    cut.extend([0; 6_000]);
    write("cut.y4m", &cut);
    write("ledger-text.jsonl", b"no ledger\n");
    write("ledger-version.jsonl", br#"{"entry":"header","greenroom_ledger":99,"codec":"H264","clock_rate":90000,"epoch_unix_us":1,"boot_id":null}
"#);
    write(
        "ledger-headless.jsonl",
        br#"{"entry":"close","broadcaster":"b","viewer":"v","media":"video","last":1}
"#,
    );
    let ivf = |fourcc: &[u8; 4], frames: &[u8]| {
        let mut file = b"DKIF\0\0\x20\0".to_vec();
        file.extend(fourcc);
        // 320x180, 30 ticks of one second each, one frame, and four bytes that mean nothing.
        file.extend([0x40, 1, 180, 0, 30, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        file.extend(frames);
        file
    };
    write("empty.ivf", b"");
    write("text.ivf", b"this is no video at all, and long enough\n");
    write("vp9.ivf", &ivf(b"VP90", &[]));
    write("bare.ivf", &ivf(b"VP80", &[]));
    write(
        "cut.ivf",
        &ivf(b"VP80", &[200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 2, 0]),
    );
    write(
        "delta.ivf",
        &ivf(b"VP80", &[3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0, 0]),
    );
    let wav = |format: u16, channels: u16, rate: u32, bits: u16, data: u32| {
        let mut file = b"RIFF\xff\xff\0\0WAVEfmt \x10\0\0\0".to_vec();
        file.extend(format.to_le_bytes());
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        let frame = u32::from(channels) * u32::from(bits) / 8;
        file.extend((rate.wrapping_mul(frame)).to_le_bytes());
        file.extend((frame as u16).to_le_bytes());
        file.extend(bits.to_le_bytes());
        file.extend(b"data");
        file.extend(data.to_le_bytes());
        file.extend([0; 4_000]);
        file
    };
    write("empty.wav", b"");
    write(
        "text.wav",
        b"this is no sound at all, and it is long enough for a header\n",
    );
    write("rate.wav", &wav(1, 1, 44_100, 16, 4_000));
    write("surround.wav", &wav(1, 6, 48_000, 16, 3_996));
    write("mp3.wav", &wav(0x55, 1, 48_000, 16, 4_000));
    write("huge.wav", &wav(1, 1, 48_000, 16, u32::MAX));
    write("short.wav", &wav(1, 1, 48_000, 16, 100));
    write("viewrs.toml", b"seed = 1\n[[rooms]]\nviewrs = 3\n");
    write("late.toml", b"[[timeline]]\nat = \"11s\"\naction = \"join\"\n");
    write("latin.toml", b"# \xe4\n");
    write(
        "rooms.toml",
        b"[[rooms]]\nname = \"a\"\n[[rooms]]\nname = \"b\"\n",
    );
    let cases: &[(&[&str], &str)] = &[
        (
            &["run", "viewrs.toml"],
            "viewrs.toml: line 3, column 1: unknown field `viewrs`; did you mean `viewers`?",
        ),
        (&["run", "late.toml"], "line 2, column 6: timeline[0].at_ms"),
        (&["run", "latin.toml"], "UTF-8"),
        (&["run", "missing.toml"], "missing.toml"),
        (&["run", "rooms.toml", "--room", "c"], "leave it out"),
        (&["run", "rooms.toml", "late.toml"], "a run has one"),
        (&["run", "rooms.toml", "not a url"], "ws://HOST:PORT/"),
        (
            &["run", "ws://127.0.0.1:9/", "ws://127.0.0.1:9/"],
            "a run has one",
        ),
        (&["run", "--codec", "vp8", "--video", "empty.ivf"], "empty.ivf"),
        (&["run", "--codec", "vp8", "--video", "text.ivf"], "DKIF"),
        (&["run", "--codec", "vp8", "--video", "vp9.ivf"], "VP80"),
        (&["run", "--codec", "vp8", "--video", "bare.ivf"], "bare.ivf"),
        (&["run", "--codec", "vp8", "--video", "cut.ivf"], "cut.ivf"),
        (&["run", "--codec", "vp8", "--video", "delta.ivf"], "key frame"),
        (
            &["run", "--codec", "vp8", "--video", "missing.ivf"],
            "missing.ivf",
        ),
        (&["run", "--video", "bare.ivf"], "--codec vp8"),
        (&["run", "--codec", "vp8", "--fps", "15"], "--fps"),
        (&["run", "--codec", "opus"], "vp8"),
        (&["run", "--codec", "av1"], "vp8"),
        (&["run", "--audio", "missing.wav"], "missing.wav"),
        (&["run", "--audio", "empty.wav"], "empty.wav"),
        (&["run", "--audio", "text.wav"], "text.wav"),
        (&["run", "--audio", "rate.wav"], "-ar 48000"),
        (&["run", "--audio", "surround.wav"], "surround.wav"),
        (&["run", "--audio", "mp3.wav"], "mp3.wav"),
        (&["run", "--audio", "huge.wav"], "huge.wav"),
        (&["run", "--audio", "short.wav"], "short.wav"),
        (&["run", "--audio", ""], "none"),
        (&["fixture", "generate", "missing/dir/x.wav"], "missing/dir/x.wav"),
        (&["run", "--video", "missing.y4m"], "missing.y4m"),
        (&["run", "--video", "empty.y4m"], "empty.y4m"),
        (&["run", "--video", "text.y4m"], "ffmpeg"),
        (&["run", "--video", "huge.y4m"], "4096"),
        (&["run", "--video", "wrap.y4m"], "wrap.y4m"),
        (&["run", "--video", "rate.y4m"], "rate.y4m"),
        (&["run", "--video", "interlaced.y4m"], "ffmpeg"),
        (&["run", "--video", "deep.y4m"], "yuv420p"),
        (&["run", "--video", "wide.y4m"], "yuv420p"),
        (&["run", "--video", "bare.y4m"], "bare.y4m"),
        (&["run", "--video", "cut.y4m"], "cut.y4m"),
        (&["run", "--viewers", "0"], "--viewers 1"),
        (&["run", "--viewers", "-3"], "--help"),
        (&["run", "--viewers", "99999"], "--role viewers"),
        (&["run", "--duration", "soon"], "500ms"),
        (&["run", "--duration", "0s"], "100 ms"),
        (&["run", "--warmup", "18446744073709551615s"], "seven days"),
        (&["run", "--bitrate", "fast"], "800k"),
        (&["run", "--bitrate", "1"], "10 kbit/s"),
        (&["run", "--fps", "0"], "1 to 120"),
        (&["run", "--join-rate", "never"], "20/s"),
        (&["run", "--decode", "some"], "none"),
        (&["run", "--role", "audience"], "broadcaster"),
        (&["run", "--reporter", "xml"], "json"),
        (&["run", "--room", "two words"], "two words"),
        (&["run", "--repeat", "0"], "1..=10000"),
        (&["run", "--vidoe", "x"], "--video"),
        (&["run", "not a url"], "ws://HOST:PORT/"),
        (&["run", "http://127.0.0.1:3000/"], "ws://"),
        (&["run", "ws://user:pw@127.0.0.1/"], "leave it out"),
        (
            &[
                "run",
                "ws://127.0.0.1:9/",
                "--role",
                "viewers",
                "--ledger",
                "ledger-text.jsonl",
            ],
            "line 1",
        ),
        (
            &[
                "run",
                "ws://127.0.0.1:9/",
                "--role",
                "viewers",
                "--ledger",
                "ledger-version.jsonl",
            ],
            "same release",
        ),
        (
            &[
                "run",
                "ws://127.0.0.1:9/",
                "--role",
                "viewers",
                "--ledger",
                "ledger-headless.jsonl",
            ],
            "header",
        ),
        (
            &["run", "ws://127.0.0.1:9/", "--role", "viewers", "--ledger", "."],
            "directory",
        ),
        (&["run", "--output-dir", "/proc/nowhere"], "--output-dir"),
        (&["serve", "--listen", "localhost"], "--listen"),
        (&["serve", "--listen", "203.0.113.1:1"], "--listen"),
        (&["serve", "--listen", "127.0.0.1:0=sip"], "broadcast-ws"),
        (&["serve", "--listen", "127.0.0.1:0=janus"], "media server"),
        (&["fixture", "generate", "--size", "big", "x.y4m"], "--size"),
        (&["fixture", "generate", "--size", "3x3", "x.y4m"], "--size"),
        (&["fixture", "generate", "missing/dir/x.y4m"], "missing/dir/x.y4m"),
        (&["run", "--sim", "modem"], "lossy"),
        (&["run", "--sim", "missing.toml"], "missing.toml"),
        (&["run", "ws://127.0.0.1:9/", "--sim", "lan"], "leave the URL"),
        (&["explore", "missing.toml"], "missing.toml"),
        (&["explore", "--seeds", "0"], "1..=1000000"),
        (&["walk"], "--help"),
    ];
    for (args, expect) in cases {
        let output = finish(
            greenroom(dir.path(), args).spawn().unwrap(),
            Duration::from_secs(20),
        );
        let message = text(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(104),
            "{args:?}: {message}{}",
            text(&output.stdout)
        );
        assert!(
            message.contains(expect),
            "{args:?} should say {expect:?}: {message}"
        );
        assert!(
            !message.contains("panicked") && !message.contains("pw@"),
            "{args:?}: {message}"
        );
    }
    // A build that can encode VP8 takes what the default build refuses.
    #[cfg(not(feature = "libvpx"))]
    {
        let output = greenroom(dir.path(), &["run", "--codec", "vp8", "--video", "bare.y4m"])
            .output()
            .unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(104), "{message}");
        assert!(message.contains("`libvpx`"), "{message}");
    }
    assert!(
        !dir.path().join("greenroom-runs").exists(),
        "nothing was started, nothing is left"
    );
}
