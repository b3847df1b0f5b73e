// Package fulltext finds text in many documents without reading them.
//
// Text is compared in folded form (AppendFolded): case, accents' encoding and compatibility forms don't matter. Folded text
// is cut into terms: words, and pairs of characters where scripts write no spaces. A segment lists the terms of some
// documents, and for each term the documents and zones (parts of a document, such as its header and its body) that have it.
//
//	b := fulltext.NewBuilder()
//	b.Add(0, fulltext.Body, folded)
//	for _, c := range b.Chunks() { ... store c ... }
//
//	q := fulltext.Compile(folded needle)
//	hits := fulltext.NewHits(documents)
//	for each chunk { chunk.Search(q, hits) }
//
// A needle is any piece of text, not only whole words: the list of terms is short enough to be searched for what they
// contain. What Search finds is never too little; it is exact if Query.Exact says so, else the text has to be looked at.
package fulltext
