package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write openapi.json anew")

type object = map[string]any

// TestOpenAPI compares the description with the operations, the types and the comments that it is made from.
func TestOpenAPI(t *testing.T) {
	d := &describer{t: t, schemas: object{}, comments: map[string]string{}, methodsOf: map[string]string{}}
	d.readComments("admin", ".")
	d.readComments("provision", "../../service/provision")
	d.readComments("setup", "../../service/setup")
	want, err := json.MarshalIndent(d.document(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(openAPI, want) {
		t.Error("openapi.json is out of date: go test ./internal/server/admin -run TestOpenAPI -update")
	}
}

// describer turns operations into OpenAPI.
type describer struct {
	t         *testing.T
	schemas   object
	methodsOf map[string]string // the interface of this package that has a method
	comments  map[string]string // by package.Type, package.Type.Field or package.Type.Method
}

func (d *describer) document() object {
	paths := object{}
	methods := d.methods()
	for _, name := range slices.Sorted(maps.Keys(operations)) {
		op, method := operations[name], methods[name]
		text := d.comments["admin."+method]
		if text == "" {
			d.t.Errorf("%s: the method %s has no comment", name, method)
		}
		who := "Administrators of the whole server."
		if s := scopes[name]; s.touches != nil || s.keep != nil {
			who = "Administrators of the whole server, and those of a domain for what is in it."
		}
		group, _, _ := strings.Cut(name, ".")
		_, last, _ := strings.Cut(method, ".")
		paths["/"+name] = object{"post": object{
			"operationId": last, "tags": []string{group}, "summary": text, "description": who,
			"requestBody": object{"required": true, "content": object{"application/json": object{"schema": d.schema(op.in)}}},
			"responses": object{
				"200":     object{"description": "The result.", "content": object{"application/json": object{"schema": d.schema(op.out)}}},
				"default": object{"$ref": "#/components/responses/Error"},
			},
		}}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "Postroad's admin API", "version": "1",
			"description": "Every operation is a POST with its argument, a JSON object, as the body. Numbers of bytes may need 64 bits. " +
				"What a later version adds are operations, and fields that may be left out; those that are here stay."},
		"servers":  []any{object{"url": strings.TrimSuffix(Prefix, "/")}},
		"security": []any{object{"token": []string{}}, object{"password": []string{}}},
		"paths":    paths,
		"components": object{
			"schemas": d.schemas,
			"responses": object{"Error": object{
				"description": "What went wrong. The kind is for programs, the text for people.",
				"content": object{"application/json": object{"schema": object{"type": "object", "required": []string{"error"},
					"properties": object{"error": object{"type": "object", "required": []string{"kind", "text"},
						"properties": object{"kind": object{"type": "string"}, "text": object{"type": "string"}}}}}}}}},
			"securitySchemes": object{
				"token":    object{"type": "http", "scheme": "bearer", "description": "A token of \"postroad token add\", or that in the file admin.token."},
				"password": object{"type": "http", "scheme": "basic", "description": "Address and password of an account that administers something (\"postroad admin add\")."},
			},
		},
	}
}

// methods finds out which method of Admin asks for which operation, by calling them all.
func (d *describer) methods() map[string]string {
	asked := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = path.Base(r.URL.Path) }))
	defer s.Close()
	c := &Client{base: s.URL, http: s.Client()}
	out := map[string]string{}
	admin := reflect.TypeFor[Admin]()
	for i := range admin.NumMethod() {
		name := admin.Method(i).Name
		callByName(c, name)
		out[asked] = d.methodsOf[name] + "." + name
	}
	return out
}

// schema describes a type. Structs with a name are described once.
func (d *describer) schema(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return d.schema(t.Elem())
	case t.Kind() == reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case t.Kind() == reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case t.Kind() == reflect.Struct:
		return d.structSchema(t)
	case t.Kind() == reflect.Bool:
		return object{"type": "boolean"}
	case t.Kind() == reflect.String, t.Implements(reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()):
		return object{"type": "string"}
	case t.Kind() == reflect.Float64:
		return object{"type": "number"}
	case t.Kind() == reflect.Int64, t.Kind() == reflect.Uint64:
		return object{"type": "integer", "format": "int64"}
	}
	return object{"type": "integer"}
}

func (d *describer) structSchema(t reflect.Type) object {
	if t.NumField() == 0 {
		return object{"type": "object"}
	}
	if !ast.IsExported(t.Name()) {
		return d.fields(t, object{"type": "object"})
	}
	ref := object{"$ref": "#/components/schemas/" + t.Name()}
	if d.schemas[t.Name()] == nil {
		s := object{"type": "object", "description": d.comments[path.Base(t.PkgPath())+"."+t.Name()]}
		d.schemas[t.Name()] = s
		d.fields(t, s)
	}
	return ref
}

// fields describes those of a struct and of the structs that it embeds.
func (d *describer) fields(t reflect.Type, s object) object {
	properties, required := object{}, []string{}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous && name == "" {
				add(f.Type)
				continue
			}
			if name == "" || name == "-" {
				d.t.Errorf("%v.%s has no name for JSON", t, f.Name)
			}
			one := d.schema(f.Type)
			if text := d.comments[path.Base(t.PkgPath())+"."+t.Name()+"."+f.Name]; text != "" {
				one = maps.Clone(one)
				one["description"] = text
			}
			properties[name] = one
			if !strings.Contains(options, "omit") && f.Type.Kind() != reflect.Pointer {
				required = append(required, name)
			}
		}
	}
	add(t)
	s["properties"] = properties
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// readComments collects the comments of a package's types, their fields and methods.
func (d *describer) readComments(pkg, dir string) {
	names, err := os.ReadDir(dir)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), ".go") || strings.HasSuffix(n.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path.Join(dir, n.Name()), nil, parser.ParseComments)
		if err != nil {
			d.t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			g, ok := n.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				return true
			}
			for _, s := range g.Specs {
				ts := s.(*ast.TypeSpec)
				d.comments[pkg+"."+ts.Name.Name] = oneLine(ts.Doc, g.Doc)
				d.memberComments(pkg+"."+ts.Name.Name, ts.Type)
			}
			return false
		})
	}
}

func (d *describer) memberComments(name string, t ast.Expr) {
	var list *ast.FieldList
	switch t := t.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return
	}
	for _, f := range list.List {
		for _, n := range f.Names {
			d.comments[name+"."+n.Name] = oneLine(f.Doc, f.Comment)
			if _, ok := t.(*ast.InterfaceType); ok && d.comments[name+"."+n.Name] != "" {
				_, d.methodsOf[n.Name], _ = strings.Cut(name, ".")
			}
		}
	}
}

func oneLine(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if text := strings.Join(strings.Fields(g.Text()), " "); text != "" {
			return text
		}
	}
	return ""
}

func TestTheDescriptionIsServed(t *testing.T) {
	h := Handler(&recorder{}, localCaller, slog.New(slog.DiscardHandler))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", Prefix+"openapi.json", nil))
	if w.Code != 200 || !json.Valid(w.Body.Bytes()) || !strings.Contains(w.Body.String(), `"/account.add"`) {
		t.Errorf("%d %.200s", w.Code, w.Body)
	}
}
