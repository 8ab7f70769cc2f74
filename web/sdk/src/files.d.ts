// What the build puts in place of these imports and names.
declare module "*.css" {
  const text: string;
  export default text;
}

/** The package's version, put in by the build. */
declare const VERSION: string;
