// Calls methods of Go's pulsaradmin, each line of the input one, ["Functions","GetFunction","t","n","f"], and prints what
// comes back, a line of JSON each; at the end the methods that nobody called.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"github.com/apache/pulsar-client-go/pulsaradmin"
	"github.com/apache/pulsar-client-go/pulsaradmin/pkg/admin/config"
)

func main() {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	faces := facesOf(os.Args[1])
	uncalled := map[string]bool{}
	for name, face := range faces {
		for i := 0; i < face.Type().NumMethod(); i++ {
			if method := face.Type().Method(i).Name; !strings.HasSuffix(method, "WithContext") {
				uncalled[name+"."+method] = true
			}
		}
	}
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var call []json.RawMessage
		must(json.Unmarshal(input.Bytes(), &call))
		var face, method string
		must(json.Unmarshal(call[0], &face))
		must(json.Unmarshal(call[1], &method))
		delete(uncalled, face+"."+method)
		must(out.Encode(answer(faces[face].MethodByName(method), call[2:])))
	}
	must(input.Err())
	rest := []string{}
	for name := range uncalled {
		rest = append(rest, name)
	}
	sort.Strings(rest)
	must(out.Encode(rest))
}

// The interfaces, not what implements them: exactly their methods count.
func facesOf(url string) map[string]reflect.Value {
	version := config.V3 // of functions, sources, sinks and packages
	v3, err := pulsaradmin.NewClient(&pulsaradmin.Config{WebServiceURL: url, PulsarAPIVersion: version})
	must(err)
	v2, err := pulsaradmin.NewClient(&pulsaradmin.Config{WebServiceURL: url})
	must(err)
	functions, sources, sinks := v3.Functions(), v3.Sources(), v3.Sinks()
	packages, worker := v3.Packages(), v2.FunctionsWorker()
	return map[string]reflect.Value{
		"Functions":       reflect.ValueOf(&functions).Elem(),
		"Sources":         reflect.ValueOf(&sources).Elem(),
		"Sinks":           reflect.ValueOf(&sinks).Elem(),
		"Packages":        reflect.ValueOf(&packages).Elem(),
		"FunctionsWorker": reflect.ValueOf(&worker).Elem(),
	}
}

func answer(method reflect.Value, arguments []json.RawMessage) string {
	if !method.IsValid() || method.Type().NumIn() != len(arguments) {
		panic(fmt.Sprintf("no such method with %d parameters", len(arguments)))
	}
	values := []reflect.Value{}
	for i, argument := range arguments {
		value := reflect.New(method.Type().In(i))
		must(json.Unmarshal(argument, value.Interface()))
		values = append(values, value.Elem())
	}
	results := method.Call(values)
	if err, failed := results[len(results)-1].Interface().(error); failed {
		return err.Error()
	}
	if len(results) == 1 {
		return "done"
	}
	text, err := json.Marshal(results[0].Interface())
	must(err)
	return string(text)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
