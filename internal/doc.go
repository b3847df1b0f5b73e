// Package internal holds Postroad's layers and the test that keeps them apart.
package internal
