package interop

import "context"

// headers are those that the MCP server sends, but for what its libraries add.
type headers func(context.Context, *middle) (map[string]string, error)

func noHandle(context.Context, *middle) (map[string]string, error) { return map[string]string{}, nil }

func userToken(ctx context.Context, m *middle) (map[string]string, error) {
	token, err := alice(ctx, m)
	return map[string]string{"authorization": "Bearer " + token}, err
}

func userTokenBesideHandle(ctx context.Context, m *middle) (map[string]string, error) {
	token, err := alice(ctx, m)
	if err != nil {
		return nil, err
	}
	handle, err := m.handleOf(ctx, m.service.resource, token)
	return map[string]string{handleName: handle, "x-forwarded-access-token": token}, err
}

// exchangedFor sends a token that a service of this user got in exchange.
func exchangedFor(audience string) headers {
	return func(ctx context.Context, m *middle) (map[string]string, error) {
		subject, err := alice(ctx, m)
		if err != nil {
			return nil, err
		}
		got, err := ask(ctx, m.service.issuer+"/oauth/token", "svc", "grant_type", grantExchange,
			"subject_token", subject, "subject_token_type", accessToken, "requested_token_type", accessToken, "audience", audience)
		return map[string]string{"authorization": "Bearer " + got.Access}, err
	}
}

func otherHandle(ctx context.Context, m *middle) (map[string]string, error) {
	token, err := m.machine(ctx, otherScope)
	if err != nil {
		return nil, err
	}
	handle, err := m.handleOf(ctx, m.other, token)
	return map[string]string{handleName: handle}, err
}

func changedHandle(ctx context.Context, m *middle) (map[string]string, error) {
	handle, err := m.handle(ctx)
	if err != nil {
		return nil, err
	}
	middle := len(handle) / 2
	other := "A"
	if handle[middle:middle+1] == other {
		other = "B"
	}
	return map[string]string{handleName: handle[:middle] + other + handle[middle+1:]}, nil
}

func handleAndOpaque(ctx context.Context, m *middle) (map[string]string, error) {
	handle, err := m.handle(ctx)
	return map[string]string{handleName: handle, "authorization": "Bearer what-the-server-wrote"}, err
}
