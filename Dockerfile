# syntax=docker/dockerfile:1

FROM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/tmp/gocache \
    CGO_ENABLED=0 GOCACHE=/tmp/gocache \
    go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /tailstock ./cmd/tailstock
# Made here, because a volume takes owner and mode from the image.
RUN mkdir -m 0750 /data

# Alpine brings the roots of TLS and wget, which the health check is.
FROM alpine:3.22
COPY --from=build /tailstock /usr/local/bin/tailstock
COPY --from=build --chown=65532:65532 /data /var/lib/tailstock
USER 65532:65532
VOLUME /var/lib/tailstock
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD wget -q -O /dev/null http://127.0.0.1:8080/readyz
ENTRYPOINT ["tailstock"]
CMD ["run", "-c", "/etc/tailstock/tailstock.yaml"]
