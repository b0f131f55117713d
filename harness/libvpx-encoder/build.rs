//! Compiles the C side against the installed headers, and links libvpx.

fn main() {
    println!("cargo:rerun-if-changed=src/vp8.c");
    #[cfg(feature = "system")]
    {
        cc::Build::new().file("src/vp8.c").compile("greenroom_vp8");
        println!("cargo:rustc-link-lib=vpx");
    }
}
