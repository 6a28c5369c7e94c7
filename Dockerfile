# A static binary, nothing else: no shell, no package manager, not root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# In a container the loopback address is not reachable from outside, so the image's
# own default is to listen on every address; doorward.yaml overrides it.
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/doorward/doorward/internal/config.host=0.0.0.0" -o /doorward ./cmd/doorward

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /doorward /doorward
USER 65532:65532
EXPOSE 9191 9190
ENTRYPOINT ["/doorward"]
CMD ["serve", "--config", "/etc/doorward/doorward.yaml"]
