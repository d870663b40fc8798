//! Time, foreign functions, WASI, and what ngx_wasm_module has not implemented.

use silverback_emulator::{ForeignFunctions, LogLevel, Status};

use crate::support::{Bench, doing, lenient, strict};

fn one(bench: &mut Bench, word: &str) -> String {
    bench.told(&[word]).expect("no trap").remove(0)
}

#[test]
fn facts_3_the_clock_has_a_resolution_of_1_ms() {
    assert_eq!(
        one(&mut strict().start("script"), "time"),
        "1700000000123000000"
    );
    assert_eq!(
        one(&mut lenient().start("script"), "time"),
        "1700000000123456789"
    );
}

#[test]
fn what_ngx_wasm_module_has_not_implemented_is_a_trap() {
    for word in ["level", "done", "close", "grpc"] {
        let mut bench = strict().start("script");
        let trap = bench.told(&[word]).expect_err(word);
        assert!(
            trap.message.contains("function not yet implemented"),
            "{trap}"
        );
    }
}

#[test]
fn lenient_mode_knows_level_done_and_close() {
    let mut bench = lenient().start("script");
    assert_eq!(one(&mut bench, "level"), "Ok(Trace)");
    assert_eq!(one(&mut bench, "done"), "Ok(())");
    let mut exchange = doing(&["close"]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(
        exchange.local_response.as_ref().map(|r| r.status),
        Some(503)
    );
    bench
        .told(&["grpc"])
        .expect_err("the SDK panics on Unimplemented");
}

#[test]
fn foreign_functions_are_the_embedders() {
    let foreign = ForeignFunctions::new()
        .with("upper", |args| Ok(args.to_ascii_uppercase()))
        .with("nothing", |_| Ok(Vec::new()))
        .with("no", |_| Err(Status::BadArgument));
    let mut setup = lenient();
    setup.options.foreign = foreign;
    let mut bench = setup.start("script");
    assert_eq!(one(&mut bench, "call upper=abc"), "Ok(Some(\"ABC\"))");
    assert_eq!(one(&mut bench, "call nothing=abc"), "Ok(None)");
    assert_eq!(one(&mut bench, "call no=abc"), "Err(BadArgument)");
    assert_eq!(one(&mut bench, "call unknown=abc"), "Err(NotFound)");
    let trap = strict()
        .start("script")
        .told(&["call unknown=abc"])
        .expect_err("a trap in Kong");
    assert!(trap.message.contains("unknown foreign function"), "{trap}");
}

#[test]
fn wasi_logs_what_is_printed_and_has_no_environment() {
    let mut bench = strict().start("script");
    bench.lines();
    assert_eq!(
        bench.told(&["print hello", "env"]).expect("no trap"),
        ["printed", "(no environment)"]
    );
    let lines: Vec<_> = bench
        .log
        .take()
        .into_iter()
        .map(|line| (line.level, line.message))
        .collect();
    assert_eq!(lines[0], (LogLevel::Info, "hello".to_owned()));
    assert!(
        lines[1..]
            .iter()
            .all(|(level, _)| *level == LogLevel::Error),
        "{lines:?}"
    );
}

#[test]
fn wasi_exit_is_a_trap() {
    let trap = strict()
        .start("script")
        .told(&["exit"])
        .expect_err("a trap");
    assert!(trap.message.contains("exited with code 3"), "{trap}");
}
