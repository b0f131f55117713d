//! Records the git commit that a build was made from, when there is one.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=../.git/HEAD");
    println!("cargo:rerun-if-changed=../.git/refs/heads");
    let commit = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output();
    if let Ok(output) = commit
        && output.status.success()
    {
        println!(
            "cargo:rustc-env=GREENROOM_COMMIT={}",
            String::from_utf8_lossy(&output.stdout).trim()
        );
    }
}
