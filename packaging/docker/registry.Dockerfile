# syntax=docker/dockerfile:1
# The schema registry of docker-compose.yml: of exactly the version, and with the sums, that integration-tests/registry names and the
# tests run against.
FROM golang:1.26-alpine AS build
WORKDIR /src
COPY integration-tests/registry/go.mod integration-tests/registry/go.sum ./
RUN CGO_ENABLED=0 go build -mod=readonly -trimpath -o /out/schema-registry \
    github.com/axonops/axonops-schema-registry/cmd/schema-registry

FROM alpine:3.22
# hadolint ignore=DL3018
RUN apk add --no-cache ca-certificates && adduser -D -H -u 10002 registry
COPY --from=build /out/schema-registry /usr/bin/schema-registry
USER 10002
EXPOSE 8081
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 CMD ["wget", "-q", "-O", "/dev/null", "http://localhost:8081/subjects"]
ENTRYPOINT ["schema-registry"]
