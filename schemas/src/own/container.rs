//! Order requests in an Avro object container file (`.avro`): how a file carries them; on the topic each is framed by itself.
use apache_avro::{Reader, Writer};

use super::OrderRequest;
use crate::contracts;

/// The most requests of one file.
pub const REQUESTS_MAX: usize = 100_000;

const RECORD: &str = "OrderRequest";

fn schema() -> Result<&'static apache_avro::Schema, String> {
    let contract = contracts::all().iter().find(|contract| contract.name == RECORD);
    contract.map(|contract| contract.schema).ok_or_else(|| format!("{RECORD} has no contract"))
}

/// Every request of the file, in its sequence. A file of another version of the contract is resolved to ours.
///
/// # Errors
/// As [`read_at_most`], with [`REQUESTS_MAX`].
pub fn read(bytes: &[u8]) -> Result<Vec<OrderRequest>, String> {
    read_at_most(bytes, REQUESTS_MAX)
}

/// As [`read`]; reading ends where there are more than `requests_max`.
///
/// # Errors
/// In words: no container file; records of another name, or of a schema whose values have no bound; a damaged block; or more requests.
pub fn read_at_most(bytes: &[u8], requests_max: usize) -> Result<Vec<OrderRequest>, String> {
    contracts::bound_allocations();
    let ours = schema()?;
    // Without our schema at first: names in the file are the file's own.
    let reader = Reader::new(bytes).map_err(|error| error.to_string())?;
    let written = reader.writer_schema();
    // The file brings its schema along, and whoever made the file made the schema.
    let (name, _) = contracts::record_names(written)?;
    if name != RECORD {
        return Err(format!("it holds records \"{name}\", where \"{RECORD}\" is expected"));
    }
    let is_ours = written == ours;
    let mut requests = Vec::new();
    for value in reader {
        if requests.len() == requests_max {
            return Err(format!("more than {requests_max} requests; split the file"));
        }
        let place = |error: apache_avro::Error| format!("request {}: {error}", requests.len() + 1);
        let value = value.map_err(place)?;
        let value = if is_ours { value } else { value.resolve(ours).map_err(place)? };
        requests.push(apache_avro::from_value(&value).map_err(place)?);
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
        assert_eq!(read_at_most(&file, 1).unwrap_err(), "more than 1 requests; split the file");
    }

    /// A file of one block with this body, of the schema of its own that it names.
    fn foreign(schema: &str, count: u8, body: &[u8]) -> Vec<u8> {
        let parsed = apache_avro::Schema::parse_str(schema).unwrap();
        let mut file = Writer::new(&parsed, Vec::new()).unwrap().into_inner().unwrap();
        let marker = file[file.len() - 16..].to_vec();
        // Zigzag: lengths are even numbers of what they count, in seven bits a byte.
        let mut length = body.len() * 2;
        file.push(count * 2);
        while length >= 0x80 {
            file.push(length as u8 | 0x80);
            length >>= 7;
        }
        file.push(length as u8);
        file.extend_from_slice(body);
        file.extend_from_slice(&marker);
        file
    }

    #[test]
    fn a_file_whose_own_schema_has_no_bound_is_refused_before_its_data_is_read() {
        let record = |fields: &str| {
            format!(
                r#"{{"type":"record","name":"OrderRequest","namespace":"io.orderstream","fields":[{fields}]}}"#
            )
        };
        // As deep as it has bytes: reading it would take the stack, and with it the process.
        let deep = foreign(&record(r#"{"name":"next","type":["null","OrderRequest"]}"#), 1, &[2; 500_000]);
        assert!(read(&deep).unwrap_err().contains("contains itself"));
        let wide = foreign(&record(r#"{"name":"n","type":{"type":"array","items":"null"}}"#), 1, &[2, 0]);
        assert!(read(&wide).unwrap_err().contains("no byte"));
        let empty = foreign(&record(""), 63, &[]);
        assert!(read(&empty).unwrap_err().contains("no byte"));
        let other = foreign(r#"{"type":"record","name":"X","fields":[{"name":"a","type":"int"}]}"#, 1, &[2]);
        assert!(read(&other).unwrap_err().contains("namespace"));
    }
}
