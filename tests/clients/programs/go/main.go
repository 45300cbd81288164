// The cases with Go's net/http: client net/http URL FOLDER SILENCE_S CASE...
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var url, folder string
var silence time.Duration
var errGaveUp = errors.New("gave up")

type options struct {
	path, contentType string
	timeout           time.Duration
	chunked, close    bool
}

func bodyOf(name string) []byte {
	body, err := os.ReadFile(folder + "/" + name + ".json")
	if err != nil {
		panic(err)
	}
	return body
}

func post(name string, o options) (int, string, error) {
	if o.path == "" {
		o.path = "echo"
	}
	if o.contentType == "" {
		o.contentType = "application/json"
	}
	if o.timeout == 0 {
		o.timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	var body io.Reader = bytes.NewReader(bodyOf(name))
	if o.chunked {
		body = io.MultiReader(body) // hides the length
	}
	request, err := http.NewRequestWithContext(ctx, "POST", url+"/"+o.path, body)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", o.contentType)
	request.Close = o.close
	answer, err := http.DefaultClient.Do(request)
	if errors.Is(err, context.DeadlineExceeded) {
		return 0, "", errGaveUp
	}
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func short(text string, n int) string { return text[:min(len(text), n)] }

func expect(name string, o options, wanted int, part string) error {
	status, text, err := post(name, o)
	if err != nil {
		return err
	}
	if status != wanted {
		return fmt.Errorf("%d in place of %d: %s", status, wanted, short(text, 200))
	}
	if !strings.Contains(text, part) {
		return fmt.Errorf("not in the answer: %s: %s", short(part, 60), short(text, 200))
	}
	return nil
}

func call() error { return expect("call", options{}, 200, "aGVsbG8=") }

func run(name string) error {
	switch name {
	case "call":
		return call()
	case "keepalive":
		for i := 0; i < 200; i++ {
			if err := call(); err != nil {
				return err
			}
		}
		return nil
	case "parallel":
		found := make(chan error, 20)
		for i := 0; i < 20; i++ {
			go func() { found <- call() }()
		}
		var all []error
		for i := 0; i < 20; i++ {
			all = append(all, <-found)
		}
		return errors.Join(all...)
	case "upload":
		var sent struct {
			Payload struct{ Text struct{ Text string } }
		}
		if err := json.Unmarshal(bodyOf("upload"), &sent); err != nil {
			return err
		}
		return expect("upload", options{}, 200, sent.Payload.Text.Text)
	case "error":
		if err := expect("bad", options{}, 400, `"errors"`); err != nil {
			return err
		}
		return call()
	case "slow":
		return expect("slow", options{path: "patient"}, 200, `"payload"`)
	case "abort":
		if _, _, err := post("slow", options{path: "patient", timeout: 300 * time.Millisecond}); err != errGaveUp {
			return fmt.Errorf("it did not give up: %v", err)
		}
		return call()
	case "charset":
		return expect("call", options{contentType: "application/json; charset=utf-8"}, 200, "aGVsbG8=")
	case "chunked":
		return expect("call", options{chunked: true}, 200, "aGVsbG8=")
	case "silence":
		if err := call(); err != nil {
			return err
		}
		time.Sleep(silence)
		return call()
	case "early":
		return expect("early", options{path: "nobody", close: true}, 404, `"header"`)
	}
	return fmt.Errorf("no such case")
}

func main() {
	url, folder = os.Args[2], os.Args[3]
	seconds, err := strconv.ParseFloat(os.Args[4], 64)
	if err != nil {
		panic(err)
	}
	silence = time.Duration(seconds * float64(time.Second))
	for _, name := range os.Args[5:] {
		if err := run(name); err != nil {
			fmt.Printf("%s\tfailed\t%s\n", name, short(strings.Join(strings.Fields(err.Error()), " "), 300))
		} else {
			fmt.Printf("%s\tok\n", name)
		}
	}
}
