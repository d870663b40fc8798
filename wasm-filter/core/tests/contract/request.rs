//! `kong.silverback.request`.

use proptest::prelude::*;
use silverback_core::contract::WireError;
use silverback_core::contract::request::RequestInfo;

use crate::cases::{bytes, cases, error};

const CASES: &str = include_str!("../../testdata/contract/request.json");

fn encode(info: &RequestInfo<'_>) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    info.encode(&mut out).map(|()| out)
}

#[test]
fn every_case_is_read_and_written_as_the_table_says() {
    for case in cases(CASES) {
        let decoded = RequestInfo::decode(&case.bytes);
        let Some(fields) = &case.fields else {
            let got = decoded.map_err(error).expect_err(&case.name);
            assert_eq!(Some(got), case.error, "{}", case.name);
            continue;
        };
        let texts: Vec<Vec<u8>> = ["host", "path", "method", "sni", "source"]
            .iter()
            .map(|name| fields.get(*name).map(bytes).unwrap_or_default())
            .collect();
        let wanted = RequestInfo {
            tls: fields["tls"].as_bool().expect("tls"),
            port: fields["port"].as_u64().expect("port") as u16,
            host: &texts[0],
            path: &texts[1],
            method: &texts[2],
            sni: &texts[3],
            source: &texts[4],
        };
        assert_eq!(decoded, Ok(wanted), "{}", case.name);
        let written = encode(&wanted).expect(&case.name);
        assert_eq!(written == case.bytes, case.encodes, "{}", case.name);
        if case.encodes {
            for end in 0..case.bytes.len() {
                let cut = RequestInfo::decode(&case.bytes[..end]);
                let is_cut = matches!(cut, Err(WireError::Truncated(_)));
                assert!(is_cut, "{} cut at {end}: {cut:?}", case.name);
            }
        }
    }
}

#[test]
fn a_field_longer_than_its_prefix_can_say_is_refused() {
    let long = vec![b'a'; 65_536];
    let (fits, _) = long.split_at(65_535);
    for (at, name) in ["host", "path", "method", "sni", "source"]
        .iter()
        .enumerate()
    {
        let info = |text| {
            let mut texts: [&[u8]; 5] = [b""; 5];
            texts[at] = text;
            let [host, path, method, sni, source] = texts;
            RequestInfo {
                host,
                path,
                method,
                sni,
                source,
                ..RequestInfo::default()
            }
        };
        assert_eq!(encode(&info(&long)), Err(WireError::TooLong(name)));
        let bytes = encode(&info(fits)).expect("fits");
        assert_eq!(RequestInfo::decode(&bytes), Ok(info(fits)));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        tls in any::<bool>(),
        port in any::<u16>(),
        texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 5),
    ) {
        let [host, path, method, sni, source] = &texts[..] else { return Ok(()) };
        let info = RequestInfo { tls, port, host, path, method, sni, source };
        let mut bytes = encode(&info).expect("short");
        prop_assert_eq!(RequestInfo::decode(&bytes), Ok(info));
        bytes.extend_from_slice(b"fields of a later release");
        prop_assert_eq!(RequestInfo::decode(&bytes), Ok(info));
    }
}
