put what-is-wrong-with-a-file.1 shape
{
  printf 'type: MeshTCPRoute\nmesh: default\nname: shape\nspec:\n  targetRef: {kind: Mesh}\n'
  sed 's/^/  /' shape
} > route.yaml
meshtcp validate route.yaml > "$printed"
