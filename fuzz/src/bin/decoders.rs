//! All targets behind libFuzzer; ORDERSTREAM_FUZZ_TARGET names the one that is run. Built and started by `scripts/fuzz.sh`.
#![no_main]
use std::sync::LazyLock;

use fuzz::Target;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("ORDERSTREAM_FUZZ_TARGET").unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| panic!("ORDERSTREAM_FUZZ_TARGET is \"{name}\", which is no target"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
