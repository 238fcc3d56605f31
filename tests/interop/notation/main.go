// SPDX-License-Identifier: Apache-2.0

// What the command notation does, with its own library: the command itself cannot be installed with
// `go install` everywhere. Trust policy and store are in $XDG_CONFIG_HOME/notation.
//
//	notation sign KEY CERTS REPOSITORY@DIGEST     the chain in PEM, the signer's first
//	notation verify REPOSITORY@DIGEST             says who signed; exit 0: somebody who is trusted
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strings"

	"github.com/notaryproject/notation-core-go/signature/jws"
	corex509 "github.com/notaryproject/notation-core-go/x509"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/signer"
	"github.com/notaryproject/notation-go/verifier"
	"oras.land/oras-go/v2/registry/remote"
)

func repository(reference string) (registry.Repository, error) {
	repo, err := remote.NewRepository(reference)
	if err != nil {
		return nil, err
	}
	repo.PlainHTTP = strings.HasPrefix(reference, "127.0.0.1:")
	return registry.NewRepository(repo), nil
}

func sign(key, certs, reference string) error {
	repo, err := repository(reference)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(certs, key)
	if err != nil {
		return err
	}
	chain, err := corex509.ReadCertificateFile(certs)
	if err != nil {
		return err
	}
	s, err := signer.NewGenericSigner(pair.PrivateKey, chain)
	if err != nil {
		return err
	}
	_, err = notation.Sign(context.Background(), s, repo, notation.SignOptions{
		SignerSignOptions: notation.SignerSignOptions{SignatureMediaType: jws.MediaTypeEnvelope},
		ArtifactReference: reference,
	})
	return err
}

func verify(reference string) error {
	repo, err := repository(reference)
	if err != nil {
		return err
	}
	v, err := verifier.NewFromConfig()
	if err != nil {
		return err
	}
	subject, outcomes, err := notation.Verify(context.Background(), v, repo, notation.VerifyOptions{
		ArtifactReference: reference, MaxSignatureAttempts: 10,
	})
	for _, o := range outcomes {
		if o.Error != nil {
			fmt.Println(o.Error)
		} else {
			fmt.Println(subject.Digest, "signed by", o.EnvelopeContent.SignerInfo.CertificateChain[0].Subject)
		}
	}
	return err
}

func main() {
	err := fmt.Errorf("usage: notation sign KEY CERTS REFERENCE | verify REFERENCE")
	switch {
	case len(os.Args) == 5 && os.Args[1] == "sign":
		err = sign(os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) == 3 && os.Args[1] == "verify":
		err = verify(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "notation:", err)
		os.Exit(1)
	}
}
