// Opens an authorization URL as a browser without a person does: it keeps cookies
// and follows redirects, up to the redirect URI, whose parameters it returns.
export async function browse(url, redirectURI) {
  const cookies = new Map();
  for (let hops = 0; hops < 12; hops++) {
    const response = await fetch(url, {
      redirect: 'manual', headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
      cookies.set(name, value);
    }
    const next = response.headers.get('location');
    if (!next) throw new Error(`the authorization server answered ${response.status}: ${(await response.text()).slice(0, 300)}`);
    url = new URL(next, url);
    if (url.href.startsWith(redirectURI)) return url.searchParams;
  }
  throw new Error('the authorization server redirected twelve times');
}
