//! Order requests in an Avro object container file (`.avro`): how a file carries them; on the topic each is framed by itself.
use apache_avro::{Reader, Writer};

use super::OrderRequest;
use crate::contracts;

/// The most requests of one file.
pub const REQUESTS_MAX: usize = 100_000;

fn schema() -> Result<&'static apache_avro::Schema, String> {
    let contract = contracts::all().iter().find(|contract| contract.name == "OrderRequest");
    contract.map(|contract| contract.schema).ok_or_else(|| "OrderRequest has no contract".to_owned())
}

/// Every request of the file, in its sequence. A file of another version of the contract is resolved to ours.
///
/// # Errors
/// In words: no container file, another schema, a damaged block, or more than [`REQUESTS_MAX`].
pub fn read(bytes: &[u8]) -> Result<Vec<OrderRequest>, String> {
    let reader = Reader::builder(bytes).reader_schema(schema()?).build();
    let mut requests = Vec::new();
    for value in reader.map_err(|error| error.to_string())? {
        if requests.len() == REQUESTS_MAX {
            return Err(format!("more than {REQUESTS_MAX} requests; split the file"));
        }
        let place = format!("request {}", requests.len() + 1);
        let value = value.map_err(|error| format!("{place}: {error}"))?;
        requests.push(apache_avro::from_value(&value).map_err(|error| format!("{place}: {error}"))?);
    }
    Ok(requests)
}

/// A file of these requests.
///
/// # Errors
/// In words; type and contract differ, which is our own mistake.
pub fn write(requests: &[OrderRequest]) -> Result<Vec<u8>, String> {
    let mut writer = Writer::new(schema()?, Vec::new()).map_err(|error| error.to_string())?;
    for request in requests {
        writer.append_ser(request).map_err(|error| error.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_refused() {
        let request =
            OrderRequest { requester: "TMF".into(), reference: "7".into(), ..OrderRequest::default() };
        let file = write(&[request.clone(), request.clone()]).unwrap();
        assert_eq!(read(&file).unwrap(), [request.clone(), request]);
        for cut in [0, 3, file.len() / 2, file.len() - 1] {
            assert!(read(&file[..cut]).is_err(), "cut at {cut}");
        }
        assert!(read(b"{\"productOrderItem\": []}").is_err());
    }
}
