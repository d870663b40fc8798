//! Guests that give wrong pointers or lack exports. Written by hand.

use std::fmt::Write as _;

use silverback_emulator::{
    AbiVersion, Action, CallResponse, CompileError, Exchange, Filter, Interruption, StartError,
    Status,
};

use crate::support::{Bench, Setup, lenient, strict};

/// A filter whose `on_request_headers` answers what `body` leaves on the stack.
pub(crate) fn guest(imports: &str, rest: &str, body: &str) -> String {
    format!(
        "(module {imports} (memory (export \"memory\") 1)
          (func (export \"proxy_abi_version_0_2_1\"))
          (func (export \"proxy_on_request_body\") (param i32 i32 i32) (result i32) i32.const 0)
          (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) {body})
          {rest})"
    )
}

const ALLOCATE: &str =
    "(func (export \"proxy_on_memory_allocate\") (param i32) (result i32) i32.const 1024)";

pub(crate) fn compile(text: &str, interruption: Interruption) -> Result<Filter, CompileError> {
    let wasm = wat::parse_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    Filter::compile_with(&wasm, interruption)
}

fn start(setup: Setup, text: &str) -> Bench {
    let filter = compile(text, Interruption::None).expect("it compiles");
    setup.try_start(&filter).expect("it starts")
}

/// The status that the call in `body` answered: the guest puts it into the response's status by
/// trapping never and storing it where `:status` is read from.
fn status_of(setup: Setup, imports: &str, rest: &str, call: &str) -> u32 {
    // on_request_headers stores the status at 0 and logs the four bytes.
    let imports = format!(
        "{imports} (import \"env\" \"proxy_log\" (func $say (param i32 i32 i32) (result i32)))"
    );
    let body = format!(
        "(i32.store (i32.const 0) (i32.add (i32.const 0x30) {call}))
         (drop (call $say (i32.const 2) (i32.const 0) (i32.const 1))) (i32.const 0)"
    );
    let mut bench = start(setup, &guest(&imports, rest, &body));
    let mut exchange = Exchange::new("GET", "/").header("host", "h").body("body");
    bench
        .request(&mut exchange)
        .unwrap_or_else(|trap| panic!("{call}: {trap}"));
    let line = bench.lines().pop().expect("a line");
    u32::from(line.as_bytes()[0]) - 0x30
}

/// Every function that takes pointers, with where its pointers and lengths are: `p` is a pointer
/// to a place for a result, `d l` data and its length, `n` another number.
pub(crate) const FUNCTIONS: &[(&str, &str)] = &[
    ("proxy_log", "nDL"),
    ("proxy_get_log_level", "p"),
    ("proxy_get_current_time_nanoseconds", "p"),
    ("proxy_get_buffer_bytes", "nnnpp"),
    ("proxy_set_buffer_bytes", "nnnDL"),
    ("proxy_get_configuration", "pp"),
    ("proxy_get_header_map_pairs", "npp"),
    ("proxy_set_header_map_pairs", "nDL"),
    ("proxy_get_header_map_value", "nDLpp"),
    ("proxy_add_header_map_value", "nDLDL"),
    ("proxy_replace_header_map_value", "nDLDL"),
    ("proxy_remove_header_map_value", "nDL"),
    ("proxy_get_property", "DLpp"),
    ("proxy_set_property", "DLDL"),
    ("proxy_get_shared_data", "DLppp"),
    ("proxy_set_shared_data", "DLDLn"),
    ("proxy_register_shared_queue", "DLp"),
    ("proxy_resolve_shared_queue", "DLDLp"),
    ("proxy_enqueue_shared_queue", "nDL"),
    ("proxy_dequeue_shared_queue", "npp"),
    ("proxy_send_local_response", "nDLDLDLn"),
    ("proxy_http_call", "DLDLDLDLnp"),
    ("proxy_call_foreign_function", "DLDLpp"),
    ("proxy_define_metric", "nDLp"),
    ("proxy_get_metric", "np"),
];

fn import(name: &str, kinds: &str) -> String {
    let params = " i32".repeat(kinds.len());
    format!("(import \"env\" \"{name}\" (func $f (param{params}) (result i32)))")
}

fn call(args: &[u32]) -> String {
    let mut call = "(call $f".to_owned();
    for arg in args {
        let _ = write!(call, " (i32.const {})", arg.cast_signed());
    }
    call + ")"
}

/// Good arguments: data of one byte at 16, results at 32.
fn good(kinds: &str) -> Vec<u32> {
    let one = |kind| match kind {
        'D' => 16,
        'L' => 1,
        'p' => 32,
        _ => 0,
    };
    kinds.chars().map(one).collect()
}

#[test]
fn a_pointer_that_leaves_memory_is_answered_with_invalid_memory_access() {
    const END: u32 = 65536;
    for (name, kinds) in FUNCTIONS {
        for (at, kind) in kinds.chars().enumerate() {
            // Beyond the end; half over the end; at the top of the address space; wrapping round.
            let wrong: &[(u32, u32)] = match kind {
                'D' => &[
                    (END, 1),
                    (END - 1, 2),
                    (u32::MAX, 1),
                    (u32::MAX, u32::MAX),
                    (16, u32::MAX),
                    (1, END),
                ],
                'p' => &[(END, 0), (END - 3, 0), (u32::MAX, 0), (u32::MAX - 3, 0)],
                _ => continue,
            };
            for &(pointer, len) in wrong {
                let mut args = good(kinds);
                args[at] = pointer;
                if kind == 'D' {
                    args[at + 1] = len;
                }
                let status = status_of(lenient(), &import(name, kinds), ALLOCATE, &call(&args));
                let invalid = Status::InvalidMemoryAccess as u32;
                // Data that is good so far may be refused for what it says before the next is looked at.
                let refused = [
                    Status::BadArgument as u32,
                    Status::InternalFailure as u32,
                    Status::NotFound as u32,
                ];
                let first = kinds.find(['D', 'p']) == Some(at);
                assert!(
                    status == invalid || !first && refused.contains(&status),
                    "{name} with {pointer:#x}+{len:#x} as argument {at} answered {status}"
                );
            }
        }
    }
}

#[test]
fn results_may_overlap_each_other_and_the_data() {
    for (name, kinds) in FUNCTIONS {
        let mut args = good(kinds);
        for (arg, kind) in args.iter_mut().zip(kinds.chars()) {
            if kind == 'D' || kind == 'p' {
                *arg = 16;
            }
        }
        status_of(lenient(), &import(name, kinds), ALLOCATE, &call(&args));
    }
}

#[test]
fn header_maps_with_wrong_lengths_are_refused() {
    let data = |bytes: &str| format!("{ALLOCATE} (data (i32.const 64) \"{bytes}\")");
    for bytes in [
        "\\ff\\ff\\ff\\ff",
        "\\01\\00\\00\\00\\ff\\ff\\ff\\7f\\00\\00\\00\\00",
        "\\02\\00\\00\\00\\00\\00",
    ] {
        let import = import("proxy_set_header_map_pairs", "nDL");
        let status = status_of(
            lenient(),
            &import,
            &data(bytes),
            "(call $f (i32.const 0) (i32.const 64) (i32.const 12))",
        );
        assert_eq!(status, Status::InternalFailure as u32, "{bytes}");
    }
}

#[test]
fn an_allocator_that_answers_nonsense_cannot_hurt_the_host() {
    let get = import("proxy_get_header_map_value", "nDLpp");
    let host = "(data (i32.const 16) \"host\")";
    let call = "(call $f (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 36))";
    let allocator = |answer: &str| {
        format!(
            "{host} (func (export \"proxy_on_memory_allocate\") (param i32) (result i32) i32.const {answer})"
        )
    };
    assert_eq!(
        status_of(strict(), &get, &allocator("1024"), call),
        Status::Ok as u32
    );
    assert_eq!(
        status_of(strict(), &get, &allocator("0"), call),
        Status::InternalFailure as u32
    );
    assert_eq!(
        status_of(strict(), &get, &allocator("65536"), call),
        Status::InvalidMemoryAccess as u32
    );
    assert_eq!(
        status_of(strict(), &get, &allocator("-1"), call),
        Status::InvalidMemoryAccess as u32
    );
    assert_eq!(
        status_of(strict(), &get, host, call),
        Status::InternalFailure as u32,
        "no allocator at all"
    );
}

#[test]
fn without_proxy_on_memory_allocate_malloc_is_used() {
    let get = import("proxy_get_header_map_value", "nDLpp");
    let rest = "(data (i32.const 16) \"host\") (func (export \"malloc\") (param i32) (result i32) i32.const 2048)";
    let call = "(call $f (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 36))";
    assert_eq!(status_of(strict(), &get, rest, call), Status::Ok as u32);
}

#[test]
fn an_allocator_that_traps_traps_the_callback() {
    let get = import("proxy_get_header_map_value", "nDLpp");
    let rest = "(data (i32.const 16) \"host\")
                (func (export \"proxy_on_memory_allocate\") (param i32) (result i32) unreachable)";
    let body = "(call $f (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 36))";
    let mut bench = start(strict(), &guest(&get, rest, body));
    bench
        .request(&mut Exchange::new("GET", "/").header("host", "h"))
        .expect_err("a trap");
    assert!(bench.worker.trapped());
}

#[test]
fn unknown_imports_answer_unimplemented_and_unknown_wasi_enosys() {
    let env = "(import \"env\" \"proxy_make_coffee\" (func $f (param i32) (result i32)))";
    assert_eq!(
        status_of(strict(), env, "", "(call $f (i32.const 1))"),
        Status::Unimplemented as u32
    );
    let wasi =
        "(import \"wasi_snapshot_preview1\" \"sock_send\" (func $f (param i32) (result i32)))";
    assert_eq!(status_of(strict(), wasi, "", "(call $f (i32.const 1))"), 52);
    let filter = compile(&guest(env, "", "i32.const 0"), Interruption::None).expect("it compiles");
    assert_eq!(
        filter.unknown_imports(),
        ["env.proxy_make_coffee"],
        "Kong does not load such a module"
    );
    let no_result = "(import \"env\" \"f\" (func $f (param i32))) (import \"env\" \"g\" (func $g (result i64)))";
    let body = "(call $f (i32.const 1)) (i32.wrap_i64 (call $g))";
    let mut bench = start(strict(), &guest(no_result, "", body));
    assert_eq!(
        bench
            .request(&mut Exchange::new("GET", "/"))
            .expect("no trap")
            .1,
        Action::Continue
    );
}

#[test]
fn callbacks_may_be_left_out() {
    let bare =
        "(module (memory (export \"memory\") 1) (func (export \"proxy_abi_version_0_2_0\")))";
    let mut bench = start(lenient(), bare);
    let mut exchange = Exchange::new("POST", "/").body("x");
    exchange.request_trailers.add("t", "1");
    let worker = &mut bench.worker;
    let id = worker.open().expect("no trap");
    let mut actions = vec![
        worker.on_request_headers(id, &mut exchange),
        worker.on_request_body(id, &mut exchange),
        worker.on_request_trailers(id, &mut exchange),
        worker.on_response_headers(id, &mut exchange),
        worker.on_response_body(id, &mut exchange, true),
        worker.on_response_trailers(id, &mut exchange),
    ];
    assert!(
        actions
            .drain(..)
            .all(|action| matches!(action, Ok(Action::Continue)))
    );
    worker.on_log(id, &mut exchange).expect("no trap");
    worker.close(id, &mut exchange).expect("no trap");
    worker.tick().expect("no trap");
    worker.notify_queues().expect("no trap");
    worker
        .on_http_call_response(4711, Some(CallResponse::new(200, "")), None)
        .expect("no trap");
}

#[test]
fn facts_6_a_module_without_body_callbacks_would_crash_kongs_worker() {
    let bare =
        "(module (memory (export \"memory\") 1) (func (export \"proxy_abi_version_0_2_1\")))";
    let filter = compile(bare, Interruption::None).expect("it compiles");
    let refused = strict().try_start(&filter).map(drop);
    assert!(
        matches!(
            refused,
            Err(StartError::MissingCallback("proxy_on_request_body"))
        ),
        "{refused:?}"
    );
}

#[test]
fn an_export_of_another_type_is_refused() {
    let wrong = guest(
        "",
        "(func (export \"proxy_on_tick\") (param i64))",
        "i32.const 0",
    );
    let refused = strict()
        .try_start(&compile(&wrong, Interruption::None).expect("it compiles"))
        .map(drop);
    assert!(
        matches!(
            refused,
            Err(StartError::BadExport {
                name: "proxy_on_tick",
                ..
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn abi_0_1_0_has_no_end_of_stream() {
    let old = "(module (memory (export \"memory\") 1) (func (export \"proxy_abi_version_0_1_0\"))
       (func (export \"proxy_on_request_body\") (param i32 i32 i32) (result i32) i32.const 0)
       (func (export \"proxy_on_request_headers\") (param i32 i32) (result i32) i32.const 1))";
    let filter = compile(old, Interruption::None).expect("it compiles");
    assert_eq!(filter.abi_version(), AbiVersion::V0_1_0);
    let mut bench = strict().try_start(&filter).expect("it starts");
    assert_eq!(
        bench
            .request(&mut Exchange::new("GET", "/"))
            .expect("no trap")
            .1,
        Action::Pause
    );
}

#[test]
fn a_start_function_that_traps_or_calls_the_host_is_an_error_or_harmless() {
    let trapping = guest(
        "",
        "(func (export \"_initialize\") unreachable)",
        "i32.const 0",
    );
    let refused = strict()
        .try_start(&compile(&trapping, Interruption::None).expect("it compiles"))
        .map(drop);
    assert!(
        matches!(refused, Err(StartError::Trapped(_))),
        "{refused:?}"
    );
    let log = "(import \"env\" \"proxy_log\" (func $log (param i32 i32 i32) (result i32)))";
    let early =
        "(func $early (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1)))) (start $early)";
    start(strict(), &guest(log, early, "i32.const 0"));
}

#[test]
fn endless_recursion_is_a_trap() {
    let deep = guest("", "(func $deep (call $deep))", "(call $deep) i32.const 0");
    let mut bench = start(strict(), &deep);
    let trap = bench
        .request(&mut Exchange::new("GET", "/"))
        .expect_err("a trap");
    assert!(trap.message.contains("stack"), "{trap}");
}

#[test]
fn kong_lets_no_call_be_dispatched_while_a_response_is_under_way() {
    let imports = import("proxy_http_call", "DLDLDLDLnp");
    let dispatch = call(&good("DLDLDLDLnp"));
    let rest = format!(
        "{ALLOCATE} (func (export \"proxy_on_response_headers\") (param i32 i32 i32) (result i32) {dispatch})"
    );
    let mut bench = start(strict(), &guest(&imports, &rest, "i32.const 0"));
    let mut exchange = Exchange::new("GET", "/");
    let (id, _) = bench.request(&mut exchange).expect("no trap");
    let trap = bench
        .worker
        .on_response_headers(id, &mut exchange)
        .expect_err("a trap");
    assert!(
        trap.message.contains("can only send HTTP dispatch during"),
        "{trap}"
    );
}

#[test]
fn a_filter_that_logs_without_end_does_not_fill_the_hosts_memory() {
    let log = "(import \"env\" \"proxy_log\" (func $log (param i32 i32 i32) (result i32)))";
    let body = "(local $n i32)
        (loop $l
          (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1)))
          (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10000))))
        unreachable";
    let mut bench = start(strict(), &guest(log, "", body));
    let trap = bench
        .request(&mut Exchange::new("GET", "/"))
        .expect_err("a trap");
    assert_eq!(trap.log.len(), 256);
}
