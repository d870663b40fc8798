//! `kong.silverback.result`.

use silverback_core::contract::WireError;
use silverback_core::contract::result::{Outcome, PlanResult, Try};

use crate::cases::{cases, error};

const CASES: &str = include_str!("../../testdata/contract/result.json");

#[test]
fn every_case_is_read_and_written_as_the_table_says() {
    for case in cases(CASES) {
        let decoded = PlanResult::decode(&case.bytes);
        let Some(fields) = &case.fields else {
            let got = decoded.map_err(error).expect_err(&case.name);
            assert_eq!(Some(got), case.error, "{}", case.name);
            continue;
        };
        let tries = fields["tries"].as_array().expect("tries").iter();
        let wanted = PlanResult {
            status: fields["status"].as_u64().expect("status") as u16,
            tries: tries
                .map(|t| Try {
                    endpoint: t[0].as_u64().expect("an index") as u8,
                    outcome: match t[1].as_str() {
                        Some("answered") => Outcome::Answered,
                        Some("failed") => Outcome::Failed,
                        Some("timed out") => Outcome::TimedOut,
                        other => panic!("{other:?}"),
                    },
                })
                .collect(),
        };
        assert_eq!(decoded.as_ref(), Ok(&wanted), "{}", case.name);
        let mut written = Vec::new();
        wanted.encode(&mut written).expect(&case.name);
        assert_eq!(written == case.bytes, case.encodes, "{}", case.name);
        for end in 0..written.len() {
            let cut = PlanResult::decode(&written[..end]);
            assert!(matches!(cut, Err(WireError::Truncated(_))), "{}", case.name);
        }
    }
}

#[test]
fn at_most_255_tries_can_be_written() {
    let one = Try {
        endpoint: 0,
        outcome: Outcome::Failed,
    };
    for (count, fits) in [(255, true), (256, false)] {
        let result = PlanResult {
            status: 502,
            tries: vec![one; count],
        };
        assert_eq!(result.encode(&mut Vec::new()).is_ok(), fits, "{count}");
    }
}
