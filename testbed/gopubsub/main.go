// The Pub/Sub of the testbed: Google's own in-memory server for tests (package pstest) as a program.
//
// Its one argument is the port, 0 for any free one. It prints the address that it listens on, and serves
// until it is killed. Unlike the real service it takes deadlines from one second on, not from ten: tests
// wait for them.
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"cloud.google.com/go/pubsub/v2/pstest"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: pstest PORT")
	}
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatalf("the port must be a number: %v", err)
	}
	pstest.SetMinAckDeadline(time.Second)
	// It panics where the port is taken.
	server := pstest.NewServerWithPort(port)
	fmt.Printf("listening on %s\n", server.Addr)
	select {}
}
