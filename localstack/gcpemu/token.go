package gcpemu

import "net/http"

func (s *Server) tokenService() http.Handler { return http.NewServeMux() }

func (s *Server) selfSigned(string) (*principal, error) {
	return nil, unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED", "%s", badToken)
}
