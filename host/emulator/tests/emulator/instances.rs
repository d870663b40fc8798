//! Instances: traps, re-creation, configuration, reload (Kong facts 5 and 8).

use silverback_emulator::{Action, CompileError, Exchange, Filter, HostCall, StartError};

use crate::support::{Bench, doing, filter, lenient, strict, values};

fn count(bench: &mut Bench) -> String {
    let mut exchange = doing(&[]);
    bench.request(&mut exchange).expect("no trap");
    values(&exchange, "x-requests").remove(0)
}

#[test]
fn facts_5_globals_persist_from_request_to_request() {
    let mut bench = strict().start("counter");
    assert_eq!([count(&mut bench), count(&mut bench)], ["1", "2"]);
}

#[test]
fn facts_5_a_trap_has_a_message_a_backtrace_and_the_panics_text() {
    let mut bench = strict().start("counter");
    let trap = bench.request(&mut doing(&["panic"])).expect_err("a trap");
    assert!(trap.message.contains("unreachable"), "{}", trap.message);
    assert!(trap.backtrace.contains("wasm"), "{}", trap.backtrace);
    assert!(
        trap.log
            .iter()
            .any(|line| line.message.contains("told to panic")),
        "{:?}",
        trap.log
    );
}

#[test]
fn facts_5_a_trap_drops_the_instance_and_the_next_request_gets_a_new_one() {
    let mut bench = strict().start("counter");
    count(&mut bench);
    bench.request(&mut doing(&["panic"])).expect_err("a trap");
    assert!(bench.worker.trapped());
    assert_eq!(count(&mut bench), "1", "what was in memory is gone");
    assert_eq!(
        (bench.worker.restarts(), bench.worker.instance_count()),
        (1, 2)
    );
}

#[test]
fn facts_5_requests_in_flight_complete_without_the_filter() {
    let mut bench = strict().start("counter");
    let mut in_flight = doing(&[]);
    let (id, _) = bench.request(&mut in_flight).expect("no trap");
    bench.request(&mut doing(&["panic"])).expect_err("a trap");
    for revived in [false, true] {
        assert!(!bench.worker.is_open(id));
        let action = bench
            .worker
            .on_response_headers(id, &mut in_flight)
            .expect("no trap");
        assert_eq!(action, Action::Continue);
        assert!(!in_flight.response_headers.contains("x-filter"));
        bench.worker.on_log(id, &mut in_flight).expect("no trap");
        bench.worker.close(id, &mut in_flight).expect("no trap");
        if !revived {
            count(&mut bench);
        }
    }
}

#[test]
fn facts_5_what_runs_when_an_instance_is_made_anew() {
    let mut setup = strict().configuration("words");
    setup.options.vm_configuration = b"vm".to_vec();
    let mut bench = setup.start("counter");
    assert_eq!(bench.lines(), ["vm start vm", "configure words"]);
    bench.request(&mut doing(&["panic"])).expect_err("a trap");
    bench.lines();
    count(&mut bench);
    assert_eq!(
        bench.lines(),
        ["configure words", "create 2"],
        "ngx_wasm_module leaves on_vm_start out"
    );

    let mut bench = lenient().configuration("words").start("counter");
    bench.request(&mut doing(&["panic"])).expect_err("a trap");
    bench.lines();
    count(&mut bench);
    assert_eq!(bench.lines(), ["vm start ", "configure words", "create 2"]);
}

#[test]
fn facts_5_a_refused_configuration_at_start_is_an_error_and_the_embedder_decides() {
    let refused = strict()
        .configuration("refuse")
        .try_start(&filter("counter"));
    let Err(StartError::ConfigurationRefused { log }) = refused else {
        panic!("it starts")
    };
    assert!(log.iter().any(|line| line.message == "configure refuse"));
    let panicked = strict()
        .configuration("panic")
        .try_start(&filter("counter"));
    let Err(StartError::Trapped(trap)) = panicked else {
        panic!("it starts")
    };
    assert!(
        trap.to_string().contains("told to panic in on_configure"),
        "{trap}"
    );
}

#[test]
fn facts_5_a_refused_configuration_at_run_time_leaves_the_old_one() {
    let mut bench = strict().configuration("zone=old").start("counter");
    let refused = bench.worker.reconfigure(b"refuse".to_vec());
    assert!(
        matches!(refused, Err(StartError::ConfigurationRefused { .. })),
        "{refused:?}"
    );
    bench.request(&mut doing(&["add"])).expect("no trap");
    assert_eq!(bench.store.keys("*"), [b"old/ticks"]);
    bench
        .worker
        .reconfigure(b"zone=new".to_vec())
        .expect("accepted");
    bench.request(&mut doing(&["add"])).expect("no trap");
    assert_eq!(bench.store.keys("*"), [&b"new/ticks"[..], b"old/ticks"]);
    assert_eq!(count(&mut bench), "3", "it is the same instance");
}

#[test]
fn facts_5_a_panic_in_a_new_configuration_costs_the_instance_and_the_old_one_comes_back() {
    let mut bench = strict().configuration("zone=old").start("counter");
    bench
        .worker
        .reconfigure(b"panic".to_vec())
        .expect_err("a trap");
    bench
        .request(&mut doing(&["add"]))
        .expect("a new instance with the old configuration");
    assert_eq!(bench.store.keys("*"), [b"old/ticks"]);
    assert_eq!(bench.worker.restarts(), 1);
}

#[test]
fn facts_8_a_reload_runs_another_module_and_an_error_keeps_the_old_one() {
    let mut bench = strict().configuration("refuse tick=100").start("bodies");
    bench
        .worker
        .replace_filter(&filter("counter"))
        .expect_err("refuses its configuration");
    let mut exchange = Exchange::new("POST", "/")
        .header("x-request-body", "replace")
        .body("xy");
    let (old, _) = bench.request(&mut exchange).expect("no trap");
    bench
        .worker
        .on_request_body(old, &mut exchange)
        .expect("no trap");
    assert_eq!(exchange.request_body.as_deref(), Some(&b"<>"[..]));

    bench
        .worker
        .reconfigure(b"fine".to_vec())
        .expect("accepted");
    bench
        .worker
        .replace_filter(&filter("counter"))
        .expect("accepted");
    assert_eq!(count(&mut bench), "1");
    // The request that the old module began is the old module's to finish.
    assert!(bench.worker.is_open(old));
    bench.worker.close(old, &mut exchange).expect("no trap");
    assert!(!bench.worker.is_open(old));
}

#[test]
fn facts_8_requests_in_flight_finish_in_the_instance_that_began_them() {
    let mut bench = strict().start("counter");
    let mut first = doing(&[]);
    let (one, _) = bench.request(&mut first).expect("no trap");
    assert_eq!(values(&first, "x-requests"), ["1"]);
    let mut second = doing(&[]);
    let (two, _) = bench.request(&mut second).expect("no trap");
    for _ in 0..2 {
        bench
            .worker
            .replace_filter(&filter("counter"))
            .expect("accepted");
    }
    assert_eq!(
        bench.worker.retired_instances(),
        1,
        "one between them has nothing to finish"
    );
    assert_eq!(
        count(&mut bench),
        "1",
        "the memory is that of a new instance"
    );

    let calls = bench.worker.host_calls().total();
    bench.lines();
    for (id, exchange) in [(one, &mut first), (two, &mut second)] {
        assert!(bench.worker.is_open(id));
        bench
            .worker
            .on_response_headers(id, exchange)
            .expect("no trap");
        assert_eq!(
            exchange.response_headers.get("x-filter"),
            Some(&b"was here"[..])
        );
        bench.worker.on_log(id, exchange).expect("no trap");
        bench.worker.close(id, exchange).expect("no trap");
    }
    assert_eq!(bench.lines(), ["done 1", "log 1", "done 2", "log 2"]);
    assert_eq!(
        bench.worker.retired_instances(),
        0,
        "nobody needs it any more"
    );
    assert!(
        bench.worker.host_calls().total() > calls,
        "its calls are counted"
    );
}

#[test]
fn facts_8_a_trap_in_an_old_instance_does_not_touch_the_new_one() {
    let mut bench = strict().start("counter");
    let mut in_flight = doing(&[]);
    let id = bench.worker.open().expect("no trap");
    bench
        .worker
        .replace_filter(&filter("counter"))
        .expect("accepted");
    assert_eq!(count(&mut bench), "1");
    in_flight.request_headers = doing(&["panic"]).request_headers.clone();
    bench
        .worker
        .on_request_headers(id, &mut in_flight)
        .expect_err("a trap");
    assert!(!bench.worker.is_open(id));
    bench.worker.close(id, &mut in_flight).expect("no trap");
    assert_eq!(bench.worker.retired_instances(), 0);
    assert_eq!(count(&mut bench), "2");
    assert_eq!(bench.worker.restarts(), 0);
}

#[test]
fn facts_5_linear_memory_is_never_given_back() {
    let mut bench = strict().start("counter");
    let before = bench.worker.memory_size();
    bench.request(&mut doing(&["grow"])).expect("no trap");
    let grown = bench.worker.memory_size();
    assert!(grown >= before + (8 << 20));
    for _ in 0..100 {
        count(&mut bench);
    }
    assert!(bench.worker.memory_size() >= grown);
}

#[test]
fn a_memory_limit_makes_growth_fail_in_the_guest() {
    let mut setup = strict();
    setup.options.memory_limit = Some(4 << 20);
    let mut bench = setup.start("counter");
    bench
        .request(&mut doing(&["grow"]))
        .expect_err("the allocator aborts");
    assert!(bench.worker.memory_size() <= 4 << 20);
    assert_eq!(count(&mut bench), "1");
}

#[test]
fn contexts_end_with_done_log_and_delete() {
    let mut bench = strict().start("counter");
    let mut exchange = doing(&[]);
    let (id, _) = bench.request(&mut exchange).expect("no trap");
    bench.lines();
    bench.worker.on_log(id, &mut exchange).expect("no trap");
    assert_eq!(bench.lines(), ["done 1", "log 1"]);
    bench.worker.close(id, &mut exchange).expect("no trap");
    bench
        .worker
        .close(id, &mut exchange)
        .expect("a second close does nothing");
    assert_eq!(
        bench
            .worker
            .on_response_headers(id, &mut exchange)
            .expect("no trap"),
        Action::Continue
    );
    assert!(!bench.worker.trapped());
}

#[test]
fn host_calls_are_counted_by_function() {
    let mut bench = strict().start("counter");
    bench.worker.reset_host_calls();
    bench.request(&mut doing(&["add"])).expect("no trap");
    let calls = bench.worker.reset_host_calls();
    let expected = [
        (HostCall::Log, 1),
        (HostCall::GetHeader, 1),
        (HostCall::ReplaceHeader, 1),
        (HostCall::GetSharedData, 1),
        (HostCall::SetSharedData, 1),
    ];
    assert_eq!(calls.iter().collect::<Vec<_>>(), expected);
    assert_eq!((calls.total(), bench.worker.host_calls().total()), (5, 0));
}

#[test]
fn a_worker_moves_to_another_thread() {
    let mut bench = strict().start("counter");
    let answer = std::thread::spawn(move || count(&mut bench)).join();
    assert_eq!(answer.expect("no panic"), "1");
}

#[test]
fn what_is_no_filter_is_refused_with_a_reason() {
    let refused = |wasm: &[u8]| Filter::compile(wasm).expect_err("refused");
    assert!(matches!(refused(b"rubbish"), CompileError::Invalid(_)));
    let module = |text: &str| wat::parse_str(text).expect("valid text");
    assert!(matches!(
        refused(&module("(module (memory (export \"memory\") 1))")),
        CompileError::NoAbiVersion
    ));
    let abi = "(func (export \"proxy_abi_version_0_2_1\"))";
    assert!(matches!(
        refused(&module(&format!("(module {abi})"))),
        CompileError::NoMemory
    ));
    let import = "(import \"env\" \"memory\" (memory 1)) (export \"memory\" (memory 0))";
    let refusal = refused(&module(&format!("(module {import} {abi})")));
    assert!(
        refusal.to_string().contains("imports memory `env.memory`"),
        "{refusal}"
    );
    let import = "(import \"env\" \"proxy_log\" (func (param i64)))";
    let refusal = refused(&module(&format!(
        "(module {import} {abi} (memory (export \"memory\") 1))"
    )));
    assert!(matches!(refusal, CompileError::Imports(_)), "{refusal}");
}

#[test]
fn open_for_lets_the_contexts_constructor_read_the_request() {
    let reads = "(module (import \"env\" \"proxy_get_header_map_value\"
           (func $get (param i32 i32 i32 i32 i32) (result i32)))
         (memory (export \"memory\") 1) (data (i32.const 16) \"host\")
         (func (export \"proxy_abi_version_0_2_1\"))
         (func (export \"proxy_on_memory_allocate\") (param i32) (result i32) i32.const 64)
         (func (export \"proxy_on_request_body\") (param i32 i32 i32) (result i32) i32.const 0)
         (func (export \"proxy_on_context_create\") (param i32 i32)
           (if (local.get 1) (then (if
             (call $get (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 36))
             (then unreachable))))))";
    let filter = Filter::compile(&wat::parse_str(reads).expect("valid text")).expect("it compiles");
    let mut bench = strict().try_start(&filter).expect("it starts");
    let mut exchange = doing(&[]);
    let id = bench.worker.open_for(&mut exchange).expect("no trap");
    assert!(
        exchange.request_headers.contains("host"),
        "the exchange is back"
    );
    bench.worker.close(id, &mut exchange).expect("no trap");
    bench
        .worker
        .open()
        .expect_err("without a request there is no header");
    assert_eq!(bench.worker.violations().len(), 1);
}

#[test]
fn going_back_to_an_earlier_configuration_uses_its_root_context_as_it_is() {
    let mut bench = strict().configuration("zone=a").start("counter");
    bench
        .worker
        .reconfigure(b"zone=b".to_vec())
        .expect("accepted");
    bench.lines();
    bench
        .worker
        .reconfigure(b"zone=a".to_vec())
        .expect("accepted");
    assert!(bench.lines().is_empty(), "no on_configure");
    bench.request(&mut doing(&["add"])).expect("no trap");
    assert_eq!(bench.store.keys("*"), [b"a/ticks"]);

    let mut bench = lenient().configuration("zone=a").start("counter");
    bench
        .worker
        .reconfigure(b"zone=b".to_vec())
        .expect("accepted");
    bench.lines();
    bench
        .worker
        .reconfigure(b"zone=a".to_vec())
        .expect("accepted");
    assert_eq!(bench.lines(), ["configure zone=a"]);
}
