//! The socket, asked over real HTTP.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gateway::{Answers, BODY_BYTES_MAX, Limits, Part, Report, ask, bind};

/// Longer than any answer takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

struct Served {
    address: SocketAddr,
    well: Arc<AtomicBool>,
    _runtime: tokio::runtime::Runtime,
}

fn served(connections_max: usize, request_timeout: Duration) -> Served {
    let well = Arc::new(AtomicBool::new(true));
    let report = |name: &'static str, well: &Arc<AtomicBool>| {
        let well = well.clone();
        Box::new(move || {
            let reason = (!well.load(Ordering::SeqCst)).then(|| "it is closed".to_owned());
            Report::of(vec![Part::new(name, reason)])
        })
    };
    let answers = Answers {
        metrics: Box::new(|| "orderstream_a_total 1\n".to_owned()),
        health: report("threads", &well),
        ready: report("log", &well),
        upkeep: Box::new(|| {}),
    };
    let bound = bind("127.0.0.1:0").unwrap();
    let address = bound.address();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let limits = Limits { connections_max, request_timeout };
    runtime.spawn(async move { bound.serve(limits, answers).await.unwrap() });
    Served { address, well, _runtime: runtime }
}

fn client() -> reqwest::blocking::Client {
    reqwest::blocking::Client::builder().timeout(LONG).build().unwrap()
}

#[test]
fn each_path_says_how_it_is_and_nothing_else_is_there() {
    let served = served(8, LONG);
    let url = |path: &str| format!("http://{}{path}", served.address);
    let client = client();
    let metrics = client.get(url("/metrics")).send().unwrap();
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(metrics.text().unwrap(), "orderstream_a_total 1\n");
    for (path, part) in [("/health", "threads"), ("/ready", "log")] {
        served.well.store(true, Ordering::SeqCst);
        let well = client.get(url(path)).send().unwrap();
        assert_eq!(well.status(), 200);
        assert_eq!(
            well.text().unwrap(),
            format!("{{\"ok\":true,\"parts\":[{{\"part\":\"{part}\",\"ok\":true}}]}}\n")
        );
        served.well.store(false, Ordering::SeqCst);
        let unwell = client.get(url(path)).send().unwrap();
        assert_eq!(unwell.status(), 503);
        let report: Report = unwell.json().unwrap();
        assert_eq!(report.parts[0].reason.as_deref(), Some("it is closed"));
    }
    let elsewhere = client.get(url("/orders")).send().unwrap();
    assert_eq!(elsewhere.status(), 404);
    assert!(elsewhere.text().unwrap().contains("/metrics, /health and /ready"));
    assert_eq!(client.delete(url("/metrics")).send().unwrap().status(), 405);
    assert_eq!(client.head(url("/health")).send().unwrap().status(), 503);
}

#[test]
fn a_body_is_read_up_to_the_limit_and_refused_beyond_it() {
    let served = served(8, LONG);
    let url = format!("http://{}/metrics", served.address);
    let with = |bytes: usize| client().get(&url).body(vec![b'a'; bytes]).send().unwrap().status();
    assert_eq!(with(BODY_BYTES_MAX), 200);
    assert_eq!(with(BODY_BYTES_MAX + 1), 413);
}

#[test]
fn a_request_that_does_not_come_whole_in_time_is_given_up() {
    let served = served(8, Duration::from_millis(300));
    for begun in ["", "GET /health HTT"] {
        let mut slow = TcpStream::connect(served.address).unwrap();
        slow.write_all(begun.as_bytes()).unwrap();
        slow.set_read_timeout(Some(LONG)).unwrap();
        let mut answer = Vec::new();
        // Ended by them: with the end of the stream, or a reset.
        let started = Instant::now();
        let _ = slow.read_to_end(&mut answer);
        assert!(started.elapsed() < LONG, "{begun:?} was waited for");
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }
    // Byte by byte is no way round it.
    let mut dripping = TcpStream::connect(served.address).unwrap();
    let started = Instant::now();
    let mut sent = 0;
    while dripping.write_all(b"a").is_ok() {
        sent += 1;
        assert!(started.elapsed() < LONG, "{sent} bytes were taken one by one");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn more_connections_than_allowed_wait_until_one_is_closed() {
    let served = served(2, LONG);
    let idle: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(served.address).unwrap()).collect();
    // Both are accepted once they are answered.
    for mut stream in &idle {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
    }
    assert!(ask(served.address, "/health", Duration::from_millis(300)).is_err(), "a third one was let in");
    drop(idle);
    assert_eq!(ask(served.address, "/health", LONG).unwrap().status, 200);
}

#[test]
fn a_busy_port_is_said_in_one_line_with_what_to_do() {
    let first = bind("127.0.0.1:0").unwrap();
    let listen = first.address().to_string();
    let error = bind(&listen).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "could not listen on {listen}; is another service running there? `gateway.listen` names another address, or \"\" for none"
        )
    );
    drop(first);
    assert!(bind(&listen).is_ok(), "it is free again");
    assert!(bind("nowhere").is_err());
}
