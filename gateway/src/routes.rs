//! What is answered where.
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::{Answers, BODY_BYTES_MAX, Limits, Report};

/// Samples of histograms wait in memory until somebody asks for them, or this is over.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON_TYPE: &str = "application/json";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

pub(crate) fn router(answers: Arc<Answers>, limits: Limits) -> Router {
    let route = |make: fn(&Answers) -> Response| {
        let answers = answers.clone();
        get(move || answered(answers.clone(), limits.request_timeout, make))
    };
    Router::new()
        .route("/metrics", route(|answers| text(StatusCode::OK, METRICS_TYPE, (answers.metrics)())))
        .route("/health", route(|answers| report(&(answers.health)())))
        .route("/ready", route(|answers| report(&(answers.ready)())))
        .fallback(|| async {
            text(
                StatusCode::NOT_FOUND,
                TEXT_TYPE,
                "nothing is here; there are /metrics, /health and /ready\n",
            )
        })
        .method_not_allowed_fallback(|method: Method| async move {
            let said = format!("{method} changes nothing here; use GET\n");
            text(StatusCode::METHOD_NOT_ALLOWED, TEXT_TYPE, said)
        })
        .layer(from_fn(bounded))
}

pub(crate) async fn keep_up(answers: &Arc<Answers>) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        let answers = answers.clone();
        // It cannot fail but by a panic, which its own thread has said.
        let _ = tokio::task::spawn_blocking(move || (answers.upkeep)()).await;
    }
}

/// Reads a body that nobody asked for, as far as it may go: else what is left of it would be taken for the next request.
async fn bounded(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match to_bytes(body, BODY_BYTES_MAX).await {
        Ok(_) => next.run(Request::from_parts(parts, Body::empty())).await,
        Err(_) => {
            let said =
                format!("no request here has a body; at most {BODY_BYTES_MAX} bytes of one are read\n");
            text(StatusCode::PAYLOAD_TOO_LARGE, TEXT_TYPE, said)
        }
    }
}

/// On a thread that may block, and not for ever.
async fn answered(answers: Arc<Answers>, timeout: Duration, make: fn(&Answers) -> Response) -> Response {
    let made = tokio::task::spawn_blocking(move || make(&answers));
    match tokio::time::timeout(timeout, made).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => text(StatusCode::INTERNAL_SERVER_ERROR, TEXT_TYPE, "the answer could not be made\n"),
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, TEXT_TYPE, "the answer took too long\n"),
    }
}

fn report(report: &Report) -> Response {
    let status = if report.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string(report) {
        Ok(json) => text(status, JSON_TYPE, json + "\n"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, TEXT_TYPE, error.to_string()),
    }
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], body.into()).into_response()
}
