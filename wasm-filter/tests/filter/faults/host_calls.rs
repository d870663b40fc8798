//! Each host call of a story fails in each way.

use std::collections::BTreeMap;

use silverback_emulator::{CallFault, CallFaults, HostCall};

use super::story::{Tables, ask, asks, closed, right, serves, start, tick};

/// Every status of the ABI but Ok, and a number that no ABI names.
const STATUSES: [u32; 10] = [1, 2, 3, 4, 6, 7, 8, 10, 12, 4_000_000_000];

/// What came of a story.
enum End {
    /// It began, and went on to its end.
    Whole,
    /// The configuration was refused: Kong runs no filter then, and without a plan nothing is proxied.
    NotStarted,
}

/// Tells the story with these faults: requests, a tick, another table, the same again.
fn tell(tables: &Tables, faults: &CallFaults, fault: CallFault, why: &str) -> End {
    tables.flip(0);
    let mut worker = match start(&tables.store, faults.clone()) {
        Ok(worker) => worker,
        Err(error) => {
            let refused = error.contains("refused its configuration") && faults.struck() > 0;
            let trap = fault == CallFault::Trap && error.contains("on demand");
            assert!(refused || trap, "{why}: {error}");
            return End::NotStarted;
        }
    };
    for table in [0, 1] {
        tables.flip(table);
        for (n, input) in asks().iter().enumerate() {
            let before = faults.struck();
            let seen = ask(&mut worker, input);
            let struck = faults.struck() > before;
            match seen {
                Ok(seen) if seen == right(n, table) => {}
                Ok(seen) => {
                    // The table before, whole, where the new one cannot be read.
                    let older = table == 1 && seen == right(n, 0);
                    // "There is none" is an answer: without its header the request is another rule's.
                    let absent = matches!(fault, CallFault::Status(1) | CallFault::Nothing);
                    let headless = n == 1 && absent && seen == right(2, table);
                    let fits = struck && (closed(&seen) || older || headless);
                    assert!(fits, "{why}: request {n} of table {table} got {seen}");
                }
                Err(trap) => {
                    let asked_for = struck && fault == CallFault::Trap;
                    assert!(asked_for, "{why}: request {n} of table {table}: {trap}");
                }
            }
        }
        let before = faults.struck();
        if let Err(trap) = tick(&mut worker) {
            let asked_for = faults.struck() > before && fault == CallFault::Trap;
            assert!(asked_for, "{why}: tick: {trap}");
        }
    }
    if fault != CallFault::Trap {
        assert_eq!(worker.worker.restarts(), 0, "{why}: an instance was lost");
    }
    faults.clear();
    serves(&mut worker, 1, why);
    tick(&mut worker).unwrap_or_else(|trap| panic!("{why}: {trap}"));
    assert_eq!(worker.worker.violations(), [], "{why}");
    End::Whole
}

/// The functions that a story calls, in order.
fn calls(tables: &Tables) -> Vec<HostCall> {
    let mut out = Vec::new();
    loop {
        let faults = CallFaults::new();
        // Ok is no fault, but is seen.
        faults.fail_nth(out.len() as u64, CallFault::Status(4_000_000_000));
        let mut worker = start(&tables.store, faults.clone()).ok();
        if let Some(worker) = &mut worker {
            for table in [0, 1] {
                tables.flip(table);
                for input in &asks() {
                    let _ = ask(worker, input);
                }
                let _ = tick(worker);
            }
        }
        match faults.clear().first() {
            Some(call) => out.push(*call),
            None => return out,
        }
    }
}

/// Does an answer of this function give the guest bytes or a time, so that Ok without any is possible?
fn gives(call: HostCall) -> bool {
    matches!(
        call,
        HostCall::GetProperty
            | HostCall::GetHeader
            | HostCall::GetSharedData
            | HostCall::GetBuffer
            | HostCall::GetCurrentTime
    )
}

#[test]
fn no_host_call_that_fails_traps_the_filter_or_sends_a_request_astray() {
    let tables = Tables::new();
    let calls = calls(&tables);
    let mut by_function: BTreeMap<&str, u64> = BTreeMap::new();
    for call in &calls {
        *by_function.entry(call.name()).or_default() += 1;
    }
    println!("{} calls: {by_function:?}", calls.len());
    for function in [
        HostCall::Log,
        HostCall::GetCurrentTime,
        HostCall::SetTickPeriod,
        HostCall::GetBuffer,
        HostCall::GetProperty,
        HostCall::SetProperty,
        HostCall::GetSharedData,
        HostCall::GetHeader,
        HostCall::AddHeader,
        HostCall::ReplaceHeader,
        HostCall::RemoveHeader,
        HostCall::SendLocalResponse,
        HostCall::DefineMetric,
        HostCall::IncrementMetric,
        HostCall::RecordMetric,
    ] {
        // A healthy worker logs nothing: logs fail below.
        let called = by_function.contains_key(function.name()) || function == HostCall::Log;
        assert!(called, "the story never calls {}", function.name());
    }
    let mut told = 0;
    for (n, call) in calls.iter().enumerate() {
        let mut faults: Vec<CallFault> = STATUSES.map(CallFault::Status).to_vec();
        faults.push(CallFault::Trap);
        if gives(*call) {
            faults.push(CallFault::Nothing);
        }
        for fault in faults {
            let handle = CallFaults::new();
            handle.fail_nth(n as u64, fault);
            let why = format!("call {n}, {}: {fault:?}", call.name());
            if let End::NotStarted = tell(&tables, &handle, fault, &why) {
                assert!(
                    matches!(call, HostCall::GetBuffer | HostCall::SetTickPeriod),
                    "{why}"
                );
            }
            told += 1;
        }
    }
    println!("{told} stories");
    assert_eq!(tables.store.violations(), []);
}

#[test]
fn no_host_function_that_always_fails_traps_the_filter() {
    let tables = Tables::new();
    for call in HostCall::ALL {
        for status in STATUSES {
            let handle = CallFaults::new();
            let fault = CallFault::Status(status);
            handle.fail_each(*call, fault);
            let why = format!("every {}: {status}", call.name());
            tell(&tables, &handle, fault, &why);
        }
    }
}

#[test]
fn a_failing_log_does_not_matter_when_there_is_something_to_say() {
    let tables = Tables::new();
    for status in STATUSES {
        let faults = CallFaults::new();
        let mut worker = start(&tables.store, faults.clone()).expect("starts");
        faults.fail_each(HostCall::Log, CallFault::Status(status));
        let mute = crate::support::runtime::Input::default();
        assert_eq!(ask(&mut worker, &mute).expect("no trap"), "503");
        assert_eq!(faults.clear(), [HostCall::Log]);
        serves(&mut worker, 1, "after a log that failed");
    }
}

#[test]
fn a_refused_plan_is_the_host_s_trap_and_costs_one_request() {
    let tables = Tables::new();
    let mut worker = start(&tables.store, CallFaults::new()).expect("starts");
    for mut input in asks() {
        input.refuse_plan = true;
        match ask(&mut worker, &input) {
            // Kong facts 3: no status says so. Nothing is proxied.
            Err(trap) => assert!(trap.message.contains("proxy_set_property"), "{trap}"),
            Ok(seen) => assert!(!seen.contains('@'), "proxied without a plan: {seen}"),
        }
        serves(&mut worker, 1, "after a refused plan");
    }
}
