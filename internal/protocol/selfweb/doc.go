// Package selfweb is where people look after their own accounts: pages at /account, made by the server, which need no script but for passkeys.
//
//	h := selfweb.New(selfweb.Config{Engine: engine, Directory: dir, ...})
//	mux.Handle(selfweb.Path, h)
//	mux.Handle(selfweb.Path+"/", h)
//
// People sign in by package auth's one engine, with its limits and its log; what they may do here is what an administrator may do for them, to
// their own account alone. Whoever changes how they sign in has shown who they are within the last minutes.
//
// Every form comes from a page of ours: browsers that say where a request comes from are believed (Sec-Fetch-Site, Origin), and the forms
// of those who are signed in carry a token of their session. The pages run no script but ours, from a file, and load nothing from elsewhere.
//
// Texts are in English in the code and the templates; other languages come from package words.
package selfweb
