module waflows.dev/tests/node/pause

go 1.26.0
