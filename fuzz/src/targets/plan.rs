//! Plans, request properties and results. The first byte says which.

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::contract::result::PlanResult;

pub fn run(data: &[u8]) {
    let (which, bytes) = super::split(data);
    match which % 3 {
        0 => {
            let _ = OwnedPlan::decode(bytes);
        }
        1 => {
            if let Ok(info) = RequestInfo::decode(bytes) {
                let mut again = Vec::new();
                info.encode(&mut again)
                    .expect("what was read can be written");
                let read = RequestInfo::decode(&again).expect("what was written can be read");
                assert_eq!(read, info);
            }
        }
        _ => {
            if let Ok(result) = PlanResult::decode(bytes) {
                let mut again = Vec::new();
                result
                    .encode(&mut again)
                    .expect("what was read can be written");
                assert_eq!(PlanResult::decode(&again), Ok(result));
            }
        }
    }
}
